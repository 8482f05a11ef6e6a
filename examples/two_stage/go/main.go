// Command two_stage shows two-stage retrieval: SQLite finds 50 candidates by their words, rerankd puts those
// that answer first.
//
//	go run . [TARGET [QUERY]]
//
// Without a query it shows the first of ../data/queries.jsonl and measures all of them before and after.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	rerankd "github.com/rerankd/rerankd/clients/go"
	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

const (
	candidates     = 50
	shown          = 10
	textCharacters = 64
)

func main() {
	target, query := "localhost:50051", ""
	if len(os.Args) > 1 {
		target = os.Args[1]
	}
	if len(os.Args) > 2 {
		query = os.Args[2]
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := run(ctx, target, query); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, target, query string) error {
	data, err := readCollection("../data")
	if err != nil {
		return fmt.Errorf("run it in its folder: %w", err)
	}
	first, err := newFirstStage(ctx, data.documents)
	if err != nil {
		return err
	}
	defer func() { _ = first.close() }()
	client, err := rerankd.New(target)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()

	search := &search{first: first, client: client}
	if query != "" {
		return search.show(ctx, query)
	}
	if err := search.show(ctx, data.queries[0].Text); err != nil {
		return err
	}
	return search.measure(ctx, data)
}

// search is both stages.
type search struct {
	first  *firstStage
	client *rerankd.Client
}

// find gives what the first stage has found, and the results of the server; none where nothing was found,
// which the server would refuse.
func (s *search) find(ctx context.Context, query string) ([]document, []*rerankdv1.RerankResult, error) {
	found, err := s.first.best(ctx, query, candidates)
	if err != nil || len(found) == 0 {
		return nil, nil, err
	}
	documents := make([]*rerankdv1.Document, len(found))
	for i, each := range found {
		documents[i] = rerankd.TextWithID(each.ID, each.Text)
	}
	response, err := s.client.Rerank(ctx, query, documents, nil)
	return found, response.GetResults(), err
}

// show prints the best of the second stage, where each stood in the first, and how far it has moved.
func (s *search) show(ctx context.Context, query string) error {
	found, results, err := s.find(ctx, query)
	if err != nil {
		return err
	}
	fmt.Printf("%s\n\nrank  was  moved   score  id            text\n", query)
	for _, result := range results[:min(shown, len(results))] {
		was, rank := int(result.GetIndex())+1, int(result.GetRank())
		moved := "="
		if was != rank {
			moved = fmt.Sprintf("%+d", was-rank)
		}
		text := []rune(found[result.GetIndex()].Text)
		fmt.Printf("%4d  %3d  %5s  %.4f  %-12s  %s\n", rank, was, moved, result.GetScore(), result.GetId(),
			strings.TrimSpace(string(text[:min(textCharacters, len(text))])))
	}
	return nil
}

// measure prints nDCG@10 and the reciprocal rank of each judged query, before and after, and their means.
func (s *search) measure(ctx context.Context, data *collection) error {
	fmt.Printf("\nnDCG@10           1/rank of the first\n BM25  reranked    BM25  reranked  query\n")
	var mean row
	for _, query := range data.queries {
		found, results, err := s.find(ctx, query.Text)
		if err != nil {
			return err
		}
		var before, after []string
		for _, each := range found {
			before = append(before, each.ID)
		}
		for _, each := range results {
			after = append(after, each.GetId())
		}
		judged := data.judged[query.ID]
		measured := row{
			ndcg(before, judged), ndcg(after, judged), reciprocalRank(before, judged), reciprocalRank(after, judged),
		}
		measured.print(query.Text)
		for i := range mean {
			mean[i] += measured[i]
		}
	}
	for i := range mean {
		mean[i] /= float64(len(data.queries))
	}
	mean.print(fmt.Sprintf("mean of %d queries (nDCG@10, MRR)", len(data.queries)))
	return nil
}

// row is nDCG@10 before and after, then the reciprocal rank before and after.
type row [4]float64

func (r row) print(title string) {
	fmt.Printf("%5.3f  %8.3f   %5.3f  %8.3f  %s\n", r[0], r[1], r[2], r[3], title)
}
