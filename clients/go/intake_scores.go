package rerankd

import (
	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

// takeScores notes the scores of a chunk, and what it leaves unscored. It tells whether the ranking may have
// changed.
func (in *intake) takeScores(scores *rerankdv1.ScoreChunk, counts *counts) (changed bool, err error) {
	columns, err := columnsOf(scores)
	if err != nil {
		return false, err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	for row, index := range scores.GetIndex() {
		document, err := in.answered(index)
		if err != nil {
			return changed, err
		}
		scored := columns.row(row)
		counts.scored++
		if scored.dropped > 0 {
			counts.truncated++
		}
		if in.ranking.score(index, document, scored) {
			changed = true
		}
	}
	for _, index := range scores.GetUnscoredIndex() {
		document, err := in.answered(index)
		if err != nil {
			return changed, err
		}
		in.ranking.skip(index, document)
	}
	signal(in.room)
	return changed, nil
}

// answered takes a document out of the window; the caller holds the lock.
func (in *intake) answered(index int32) (*rerankdv1.Document, error) {
	w, ok := in.waiting[index]
	if !ok || index >= in.released {
		return nil, brokenAnswer("the server answered documents[%d], which did not wait for it", index)
	}
	delete(in.waiting, index)
	in.outstanding--
	in.outstandingBytes -= w.bytes
	return w.document, nil
}

// counts are what the client counts by itself.
type counts struct{ scored, truncated int32 }

// scoreColumns are the columns of a ScoreChunk, each as long as the first or empty.
type scoreColumns struct{ chunk *rerankdv1.ScoreChunk }

func columnsOf(chunk *rerankdv1.ScoreChunk) (scoreColumns, error) {
	rows := len(chunk.GetIndex())
	if len(chunk.GetScore()) != rows {
		return scoreColumns{}, brokenAnswer("%d scores for %d documents", len(chunk.GetScore()), rows)
	}
	for _, length := range []int{len(chunk.GetLogit()), len(chunk.GetDroppedTokens()), len(chunk.GetPassages())} {
		if length != 0 && length != rows {
			return scoreColumns{}, brokenAnswer("a column of %d entries for %d documents", length, rows)
		}
	}
	return scoreColumns{chunk}, nil
}

func (c scoreColumns) row(i int) scoredRow {
	row := scoredRow{score: c.chunk.GetScore()[i]}
	if logits := c.chunk.GetLogit(); len(logits) > 0 {
		row.logit, row.hasLogit = logits[i], true
	}
	if dropped := c.chunk.GetDroppedTokens(); len(dropped) > 0 {
		row.dropped = dropped[i]
	}
	if passages := c.chunk.GetPassages(); len(passages) > 0 {
		row.passage = passages[i]
	}
	return row
}

// isSettled tells whether every document that is to be scored is read and answered.
func (in *intake) isSettled() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.complete && in.outstanding == 0 && in.read > 0
}

// isExhausted tells whether the source came to its end.
func (in *intake) isExhausted() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.exhausted
}

// startPassThrough lets the rest of the documents be read without being kept for a score.
func (in *intake) startPassThrough() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.passThrough = true
	clear(in.waiting)
	in.queue = nil
	signal(in.room)
}

// snapshot gives the best scored documents so far and how many were read.
func (in *intake) snapshot() (results []*rerankdv1.RerankResult, read int32) {
	in.mu.Lock()
	defer in.mu.Unlock()
	results = in.ranking.results()
	for len(results) > 0 && !results[len(results)-1].GetScored() {
		results = results[:len(results)-1]
	}
	return results, in.read
}

// finish ends the reading and gives the final ranking: the documents that wait count as unscored.
func (in *intake) finish(outcome rerankdv1.Outcome) (results []*rerankdv1.RerankResult, read int32) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.stopped = true
	if outcome == rerankdv1.Outcome_OUTCOME_PASSTHROUGH {
		return in.ranking.originalOrder(), in.read
	}
	for index, w := range in.waiting {
		in.ranking.skip(index, w.document)
	}
	clear(in.waiting)
	return in.ranking.results(), in.read
}
