package rerankd

import (
	"container/heap"
	"slices"

	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

// best remembers the best top_n documents: its memory does not grow with their number.
type best struct {
	options *rerankdv1.RerankOptions
	most    int
	// heap has the worst of the best at its root.
	heap entryHeap
	// first are the first documents, because the server may leave everything in the original order.
	first []entry
}

func newBest(options *rerankdv1.RerankOptions) *best {
	return &best{options: options, most: int(options.GetTopN())}
}

func (b *best) read(index int32, document *rerankdv1.Document) {
	if len(b.first) < b.most {
		b.first = append(b.first, newEntry(index, document, b.options))
	}
}

func (b *best) score(index int32, document *rerankdv1.Document, row scoredRow) bool {
	if !admits(b.options, true, row.score) {
		return false
	}
	e := newEntry(index, document, b.options)
	e.scoredRow, e.scored = row, true
	return b.insert(&e)
}

func (b *best) skip(index int32, document *rerankdv1.Document) {
	if admits(b.options, false, 0) {
		e := newEntry(index, document, b.options)
		b.insert(&e)
	}
}

func (b *best) insert(e *entry) bool {
	if len(b.heap) < b.most {
		b.heap = append(b.heap, *e)
		heap.Fix(&b.heap, len(b.heap)-1)
		return true
	}
	if compareEntries(e, &b.heap[0]) > 0 {
		return false
	}
	b.heap[0] = *e
	heap.Fix(&b.heap, 0)
	return true
}

func (b *best) results() []*rerankdv1.RerankResult {
	ordered := slices.Clone(b.heap)
	slices.SortFunc(ordered, func(x, y entry) int { return compareEntries(&x, &y) })
	return resultsOf(ordered)
}

func (b *best) originalOrder() []*rerankdv1.RerankResult { return resultsOf(b.first) }

func resultsOf(entries []entry) []*rerankdv1.RerankResult {
	results := make([]*rerankdv1.RerankResult, len(entries))
	for i := range entries {
		results[i] = entries[i].result(i + 1)
	}
	return results
}

// entryHeap is for container/heap. Entries are only appended and fixed, never pushed or popped, because
// those two would put each entry on Go's heap.
type entryHeap []entry

func (h entryHeap) Len() int           { return len(h) }
func (h entryHeap) Less(i, j int) bool { return compareEntries(&h[i], &h[j]) > 0 }
func (h entryHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *entryHeap) Push(any)          { panic("not used") }
func (h *entryHeap) Pop() any          { panic("not used") }
