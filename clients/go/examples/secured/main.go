// Command secured reranks documents at a server that asks for a key and, where certificates are named, for
// one of the client's own (mutual TLS). The key comes from $RERANKD_TOKEN:
//
//	go run ./examples/secured -ca ca.pem -cert client.pem -key client.key localhost:50051 "a query" "a document"
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	rerankd "github.com/rerankd/rerankd/clients/go"
	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

func main() {
	authorities := flag.String("ca", "", "PEM file with the authorities of the server's certificate")
	certificate := flag.String("cert", "", "PEM file with the client's certificate, where the server asks for one")
	key := flag.String("key", "", "PEM file with the key of that certificate")
	flag.Parse()
	if flag.NArg() < 3 {
		fmt.Fprintln(os.Stderr, "usage: secured [flags] TARGET QUERY DOCUMENT...")
		os.Exit(2)
	}
	tls, err := material(*authorities, *certificate, *key)
	if err == nil {
		err = rerank(tls, flag.Arg(0), flag.Arg(1), flag.Args()[2:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func rerank(tls rerankd.TLSConfig, target, query string, texts []string) error {
	client, err := rerankd.New(target, rerankd.WithTLS(tls), rerankd.WithToken(os.Getenv("RERANKD_TOKEN")))
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	response, err := client.Rerank(context.Background(), query, rerankd.Texts(texts...), &rerankdv1.RerankOptions{})
	if err != nil {
		return err
	}
	for _, result := range response.GetResults() {
		fmt.Printf("%d. %.4f %s\n", result.GetRank(), result.GetScore(), texts[result.GetIndex()])
	}
	return nil
}

func material(authorities, certificate, key string) (tls rerankd.TLSConfig, err error) {
	for path, content := range map[string]*[]byte{
		authorities: &tls.RootCertificates,
		certificate: &tls.ClientCertificate,
		key:         &tls.ClientPrivateKey,
	} {
		if path == "" {
			continue
		}
		if *content, err = os.ReadFile(path); err != nil {
			return tls, err
		}
	}
	return tls, nil
}
