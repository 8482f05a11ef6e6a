package main

import (
	"math"
	"slices"
)

const cutoff = 10

// grades of the documents of a query: 2 answers it, 1 helps, everything else does not.
type grades map[string]int

// ndcg is nDCG@10, with the grade itself as the gain, as trec_eval has it.
func ndcg(order []string, judged grades) float64 {
	gains := make([]int, len(order))
	for i, id := range order {
		gains[i] = judged[id]
	}
	var ideal []int
	for _, grade := range judged {
		ideal = append(ideal, grade)
	}
	slices.SortFunc(ideal, func(a, b int) int { return b - a })
	return discounted(gains) / discounted(ideal)
}

func discounted(gains []int) float64 {
	sum := 0.0
	for position, gain := range gains[:min(cutoff, len(gains))] {
		sum += float64(gain) / math.Log2(float64(position+2))
	}
	return sum
}

// reciprocalRank is 1 over the rank of the first document that has a grade; 0 where none has.
func reciprocalRank(order []string, judged grades) float64 {
	for i, id := range order {
		if _, relevant := judged[id]; relevant {
			return 1 / float64(i+1)
		}
	}
	return 0
}
