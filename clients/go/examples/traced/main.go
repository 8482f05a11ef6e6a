// Command traced reranks documents as a part of the trace that TRACEPARENT names:
//
//	TRACEPARENT=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 \
//	  go run ./examples/traced 127.0.0.1:50051 "a query" "a document" "another document"
//
// A program that traces its own work gives otelgrpc's handler to the client instead, and every call brings
// the span that runs: rerankd.WithDialOptions(grpc.WithStatsHandler(otelgrpc.NewClientHandler())).
package main

import (
	"context"
	"fmt"
	"os"

	"google.golang.org/grpc/metadata"

	rerankd "github.com/rerankd/rerankd/clients/go"
)

func main() {
	if len(os.Args) < 4 {
		fail("usage: traced TARGET QUERY DOCUMENT...")
	}
	target, query, texts := os.Args[1], os.Args[2], os.Args[3:]
	client, err := rerankd.New(target)
	if err != nil {
		fail(err)
	}
	defer func() { _ = client.Close() }()

	ctx := context.Background()
	if parent := os.Getenv("TRACEPARENT"); parent != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "traceparent", parent)
	}
	response, err := client.Rerank(ctx, query, rerankd.Texts(texts...), nil)
	if err != nil {
		fail(err)
	}
	for _, result := range response.GetResults() {
		fmt.Printf("%d. %.4f %s\n", result.GetRank(), result.GetScore(), texts[result.GetIndex()])
	}
}

func fail(words ...any) {
	fmt.Fprintln(os.Stderr, words...)
	os.Exit(1)
}
