package rerankd_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	rerankd "github.com/rerankd/rerankd/clients/go"
	"github.com/rerankd/rerankd/clients/go/internal/fakeserver"
	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

// exampleTarget starts a server whose score of a text is the sigmoid of the number in it.
func exampleTarget(server *fakeserver.Server) (target string, stop func()) {
	if err := server.Start(); err != nil {
		log.Fatal(err)
	}
	return server.Target(), server.Stop
}

func Example() {
	target, stop := exampleTarget(&fakeserver.Server{}) // "localhost:50051"
	defer stop()

	client, err := rerankd.New(target)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = client.Close() }()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	documents := rerankd.Texts("a pump moves water, logit=-3", "too much salt raises it, logit=2")
	response, err := client.Rerank(ctx, "what causes high blood pressure", documents, nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, result := range response.GetResults() {
		fmt.Printf("%d. %.2f %s\n", result.GetRank(), result.GetScore(), documents[result.GetIndex()].GetText())
	}
	// Output:
	// 1. 0.88 too much salt raises it, logit=2
	// 2. 0.05 a pump moves water, logit=-3
}

func ExampleNew() {
	client, err := rerankd.New("dns:///rerankd.search.svc:50051",
		rerankd.WithToken("key"),
		rerankd.WithTimeout(2*time.Second),
		rerankd.WithKeepalive(time.Minute),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = client.Close() }()
}

func ExampleClient_RerankAll() {
	target, stop := exampleTarget(&fakeserver.Server{})
	defer stop()
	client, err := rerankd.New(target)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = client.Close() }()

	// A million documents need no more memory than a thousand.
	numbers := func(yield func(*rerankdv1.Document) bool) {
		for i := range 5000 {
			if !yield(rerankd.TextWithID(fmt.Sprint("number ", i), fmt.Sprintf("logit=0.%04d", i))) {
				return
			}
		}
	}
	response, err := client.RerankAll(context.Background(), "the largest number", rerankd.FromSeq(numbers),
		&rerankdv1.RerankOptions{TopN: 2})
	if err != nil {
		log.Fatal(err)
	}
	for _, result := range response.GetResults() {
		fmt.Println(result.GetRank(), result.GetId())
	}
	// Output:
	// 1 number 4999
	// 2 number 4998
}

func ExampleClient_RerankStream() {
	target, stop := exampleTarget(&fakeserver.Server{})
	defer stop()
	client, err := rerankd.New(target)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = client.Close() }()

	documents := rerankd.Texts("logit=1", "logit=3", "logit=2")
	stream, err := client.RerankStream(context.Background(), "the largest number",
		rerankd.FromSeq(slices.Values(documents)), nil, rerankd.EmitScores())
	if err != nil {
		log.Fatal(err)
	}
	defer stream.Close()
	for event, err := range stream.Events() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(len(event.Scores.GetIndex()), "scored")
	}
	response, err := stream.Summary()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("best:", response.GetResults()[0].GetIndex())
	// Output:
	// 3 scored
	// best: 1
}

func ExampleError() {
	target, stop := exampleTarget(&fakeserver.Server{Unary: func(int) error {
		return fakeserver.Failure(codes.NotFound, "MODEL_NOT_FOUND", "no model of the name large")
	}})
	defer stop()
	client, err := rerankd.New(target)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = client.Close() }()

	_, err = client.Rerank(context.Background(), "query", rerankd.Texts("text"),
		&rerankdv1.RerankOptions{Model: "large"})
	var failure *rerankd.Error
	switch {
	case errors.Is(err, rerankd.ErrUnavailable):
		fmt.Println("try again later")
	case errors.As(err, &failure):
		fmt.Println(failure.Code, failure.Reason)
	}
	fmt.Println(errors.Is(err, rerankd.ErrModelNotFound))
	// Output:
	// NotFound MODEL_NOT_FOUND
	// true
}

func ExampleFromChannel() {
	target, stop := exampleTarget(&fakeserver.Server{})
	defer stop()
	client, err := rerankd.New(target)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = client.Close() }()

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	documents := make(chan *rerankdv1.Document)
	go func() {
		defer close(documents)
		for _, word := range strings.Fields("logit=1 logit=2") {
			select {
			case documents <- rerankd.Text(word):
			case <-ctx.Done():
				return
			}
		}
	}()
	response, err := client.RerankAll(ctx, "the largest number", rerankd.FromChannel(documents), nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("best:", response.GetResults()[0].GetIndex())
	// Output:
	// best: 1
}
