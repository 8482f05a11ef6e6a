package rerankd

import (
	"cmp"
	"math"
	"slices"

	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

// columns remembers every document by column, under its index: some 25 bytes and the id for each.
type columns struct {
	options *rerankdv1.RerankOptions
	ids     []string
	scores  []float32
	scored  []bool

	// These columns are shorter than the others, and mostly empty, until a document has something in them.
	logits    []float32
	hasLogits bool
	// originals has NaN, which no server takes, for documents without an original score.
	originals []float32
	dropped   []int32
	passages  []*rerankdv1.Passage
	documents []*rerankdv1.Document
}

var noOriginal = float32(math.NaN())

func (c *columns) read(index int32, document *rerankdv1.Document) {
	c.ids = append(c.ids, document.GetId())
	c.scores = append(c.scores, 0)
	c.scored = append(c.scored, false)
	if document.OriginalScore != nil {
		c.originals = put(c.originals, index, noOriginal, document.GetOriginalScore())
	}
	if c.options.GetReturnDocuments() {
		c.documents = append(c.documents, document)
	}
}

func (c *columns) score(index int32, _ *rerankdv1.Document, row scoredRow) bool {
	c.scores[index], c.scored[index] = row.score, true
	if row.hasLogit {
		c.hasLogits = true
		c.logits = put(c.logits, index, 0, row.logit)
	}
	if row.dropped > 0 {
		c.dropped = put(c.dropped, index, 0, row.dropped)
	}
	if row.passage != nil {
		c.passages = put(c.passages, index, nil, row.passage)
	}
	return true
}

// skip has nothing to note: a document without a score is known already.
func (c *columns) skip(int32, *rerankdv1.Document) {}

func (c *columns) results() []*rerankdv1.RerankResult {
	order := make([]int32, 0, len(c.ids))
	for index := range int32(len(c.ids)) {
		if admits(c.options, c.scored[index], c.scores[index]) {
			order = append(order, index)
		}
	}
	slices.SortFunc(order, c.compare)
	results := make([]*rerankdv1.RerankResult, len(order))
	for i, index := range order {
		e := c.entry(index)
		e.scored = c.scored[index]
		results[i] = e.result(i + 1)
	}
	return results
}

func (c *columns) originalOrder() []*rerankdv1.RerankResult {
	results := make([]*rerankdv1.RerankResult, len(c.ids))
	for i := range c.ids {
		e := c.entry(int32(i))
		results[i] = e.result(i + 1)
	}
	return results
}

// compare is the order of compareEntries.
func (c *columns) compare(a, b int32) int {
	if c.scored[a] != c.scored[b] {
		if c.scored[a] {
			return -1
		}
		return 1
	}
	return cmp.Or(
		cmp.Compare(c.scores[b], c.scores[a]),
		cmp.Compare(at(c.logits, b, 0), at(c.logits, a, 0)),
		cmp.Compare(a, b),
	)
}

func (c *columns) entry(index int32) entry {
	e := entry{index: index, id: c.ids[index]}
	e.scoredRow = scoredRow{
		score:    c.scores[index],
		logit:    at(c.logits, index, 0),
		hasLogit: c.hasLogits,
		dropped:  at(c.dropped, index, 0),
		passage:  at(c.passages, index, nil),
	}
	if original := at(c.originals, index, noOriginal); !math.IsNaN(float64(original)) {
		value := original
		e.original = &value
	}
	e.document = at(c.documents, index, nil)
	return e
}

// put sets a value of a column that may be shorter than the index.
func put[T any](column []T, index int32, absent, value T) []T {
	for int32(len(column)) <= index {
		column = append(column, absent)
	}
	column[index] = value
	return column
}

// at gives a value of a column that may be shorter than the index.
func at[T any](column []T, index int32, absent T) T {
	if int(index) >= len(column) {
		return absent
	}
	return column[index]
}
