// Command plain reranks documents with the generated stubs alone:
//
//	go run ./examples/plain 127.0.0.1:50051 "a query" "a document" "another document"
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

func main() {
	if len(os.Args) < 4 {
		fail("usage: plain TARGET QUERY DOCUMENT...")
	}
	target, query, texts := os.Args[1], os.Args[2], os.Args[3:]

	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		fail(err)
	}
	defer conn.Close()

	request := &rerankdv1.RerankRequest{Query: query}
	for _, text := range texts {
		request.Documents = append(request.Documents,
			&rerankdv1.Document{Content: &rerankdv1.Document_Text{Text: text}})
	}

	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	response, err := rerankdv1.NewRerankServiceClient(conn).Rerank(ctx, request)
	if err != nil {
		fail(status.Code(err), reason(err), err)
	}
	for _, result := range response.Results {
		fmt.Printf("%d. %.4f %s\n", result.Rank, result.Score, texts[result.Index])
	}
}

// reason gives why the server refused, for example MODEL_NOT_FOUND, or nothing when it did not say.
func reason(err error) string {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.Domain == "rerankd" {
			return info.Reason
		}
	}
	return ""
}

func fail(words ...any) {
	fmt.Fprintln(os.Stderr, words...)
	os.Exit(1)
}
