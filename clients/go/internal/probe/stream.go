package main

import (
	"context"
	"os"
	"runtime"
	"strings"

	rerankd "github.com/rerankd/rerankd/clients/go"
	"github.com/rerankd/rerankd/clients/go/internal/jsonl"
	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

const (
	tellEvery    = 1000
	measureEvery = 5000
)

type streamReport struct {
	Results         [][4]any `json:"results"`
	ScoredDocuments int32    `json:"scored_documents"`
	Outcome         string   `json:"outcome"`
	Resumes         int      `json:"resumes"`
	PeakBytes       int64    `json:"peak_bytes"`
}

// stream ranks the file by one stream.
func stream(target, query, path string, topN int) (any, error) {
	client, err := rerankd.New(target)
	if err != nil {
		return nil, err
	}
	defer func() { _ = client.Close() }()
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()

	base, peak, scored := liveBytes(), int64(0), 0
	ranking, err := client.RerankStream(context.Background(), query, rerankd.FromSeq2(jsonl.Documents(file)),
		&rerankdv1.RerankOptions{TopN: int32(topN)}, rerankd.EmitScores())
	if err != nil {
		return nil, err
	}
	defer ranking.Close()
	for event, err := range ranking.Events() {
		if err != nil {
			return nil, err
		}
		for range event.Scores.GetIndex() {
			scored++
			if scored%tellEvery == 0 {
				say("scored %d", scored)
			}
			if scored%measureEvery == 0 {
				peak = max(peak, liveBytes()-base)
			}
		}
	}
	response, err := ranking.Summary()
	if err != nil {
		return nil, err
	}
	return newStreamReport(response, ranking.Resumes(), peak), nil
}

func newStreamReport(response *rerankdv1.RerankResponse, resumes int, peak int64) streamReport {
	report := streamReport{
		Results:         make([][4]any, len(response.GetResults())),
		ScoredDocuments: response.GetUsage().GetScoredDocuments(),
		Outcome:         strings.TrimPrefix(response.GetOutcome().String(), "OUTCOME_"),
		Resumes:         resumes,
		PeakBytes:       peak,
	}
	for i, result := range response.GetResults() {
		report.Results[i] = [4]any{result.GetIndex(), result.GetId(), result.GetScore(), result.GetRank()}
	}
	return report
}

// liveBytes is the size of the heap after a collection.
func liveBytes() int64 {
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return int64(memory.HeapAlloc)
}
