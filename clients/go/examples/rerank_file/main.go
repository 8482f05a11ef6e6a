// Command rerank_file puts the lines of a file in order by how well each one answers a query. The file can
// be of any size: it is read only as fast as the server scores, and only the best lines are kept.
//
//	go run ./examples/rerank_file -target localhost:50051 -top 5 "what causes high blood pressure" notes.txt
//
// A line is a document: a text, or an object of JSON with "text" and optionally "id". The file - is the
// standard input. Progress goes to the standard error.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	rerankd "github.com/rerankd/rerankd/clients/go"
	"github.com/rerankd/rerankd/clients/go/internal/jsonl"
	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

func main() {
	target := flag.String("target", "localhost:50051", "server, as host:port")
	top := flag.Int("top", 10, "how many lines to print, 1 to 1000")
	token := flag.String("token", os.Getenv("RERANKD_TOKEN"), "key, if the server asks for one; default $RERANKD_TOKEN")
	flag.Usage = func() {
		_, _ = fmt.Fprintln(flag.CommandLine.Output(), "usage: rerank_file [flags] QUERY FILE")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 2 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *target, *token, int32(*top), flag.Arg(0), flag.Arg(1)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		if errors.Is(err, rerankd.ErrUnavailable) {
			fmt.Fprintf(os.Stderr, "is a server running at %s? Start one with: rerankd serve\n", *target)
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, target, token string, top int32, query, path string) error {
	client, err := rerankd.New(target, rerankd.WithToken(token))
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	file, err := open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()

	options := &rerankdv1.RerankOptions{TopN: top, ReturnDocuments: true}
	stream, err := client.RerankStream(ctx, query, rerankd.FromSeq2(jsonl.Documents(file)), options,
		rerankd.EmitSnapshots(time.Second))
	if err != nil {
		return err
	}
	defer stream.Close()
	for event, err := range stream.Events() {
		if err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "\r%d read, %d scored", event.Snapshot.GetReceived(), event.Snapshot.GetScored())
	}
	response, err := stream.Summary()
	if err != nil {
		return err
	}
	usage := response.GetUsage()
	fmt.Fprintf(os.Stderr, "\r%d read, %d scored\n", usage.GetDocuments(), usage.GetScoredDocuments())
	show(response)
	return nil
}

func open(path string) (io.ReadCloser, error) {
	if path == "-" {
		return os.Stdin, nil
	}
	return os.Open(path)
}

func show(response *rerankdv1.RerankResponse) {
	if response.GetOutcome() != rerankdv1.Outcome_OUTCOME_RERANKED {
		fmt.Fprintf(os.Stderr, "%s: %s\n", response.GetOutcome(), response.GetOutcomeReason())
	}
	for _, result := range response.GetResults() {
		name := result.GetId()
		if name == "" {
			name = fmt.Sprintf("#%d", result.GetIndex())
		}
		text := strings.Join(strings.Fields(result.GetDocument().GetText()), " ")
		fmt.Printf("%d. %.4f %s %s\n", result.GetRank(), result.GetScore(), name, text)
	}
}
