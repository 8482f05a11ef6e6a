package fakeserver

import (
	"cmp"
	"hash/fnv"
	"math"
	"slices"
	"strconv"
	"strings"

	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

// Logit is what the fake model gives for a text: the number after "logit=", else one made of the letters.
func Logit(text string) float32 {
	if _, number, ok := strings.Cut(text, "logit="); ok {
		if value, err := strconv.ParseFloat(number, 32); err == nil {
			return float32(value)
		}
	}
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(text))
	return float32(hash.Sum32()%8000)/1000 - 4
}

// Score is the sigmoid of a logit.
func Score(logit float32) float32 {
	return float32(1 / (1 + math.Exp(-float64(logit))))
}

// Ranking is the answer to a unary call, made in the plainest way: score every document, sort, cut.
func Ranking(documents []*rerankdv1.Document, options *rerankdv1.RerankOptions) []*rerankdv1.RerankResult {
	if options == nil {
		options = &rerankdv1.RerankOptions{}
	}
	var results []*rerankdv1.RerankResult
	most := int(options.GetMaxScoredDocuments())
	for index, document := range documents {
		result := &rerankdv1.RerankResult{
			Index: int32(index), Id: document.GetId(), OriginalScore: document.OriginalScore,
		}
		if options.GetReturnDocuments() {
			result.Document = document
		}
		if most == 0 || index < most {
			logit := Logit(document.GetText())
			result.Score, result.Logit, result.Scored = Score(logit), &logit, true
		}
		if options.MinScore == nil || (result.Scored && result.Score >= options.GetMinScore()) {
			results = append(results, result)
		}
	}
	slices.SortStableFunc(results, func(a, b *rerankdv1.RerankResult) int {
		if a.Scored != b.Scored {
			return map[bool]int{true: -1, false: 1}[a.Scored]
		}
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(b.GetLogit(), a.GetLogit()))
	})
	if n := int(options.GetTopN()); n > 0 && n < len(results) {
		results = results[:n]
	}
	for i, result := range results {
		result.Rank = int32(i + 1)
	}
	return results
}
