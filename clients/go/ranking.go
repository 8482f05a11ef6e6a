package rerankd

import (
	"cmp"

	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

// ranking takes documents and scores in any order and gives the order so far. It is not safe for
// concurrent use.
type ranking interface {
	// read notes a document when it is read, in the order of the indexes, before anything else.
	read(index int32, document *rerankdv1.Document)
	// score notes a score and tells whether the results may have changed.
	score(index int32, document *rerankdv1.Document, row scoredRow) bool
	// skip notes that a document has no score.
	skip(index int32, document *rerankdv1.Document)
	// results are the results so far, best first, the unscored ones after the scored ones.
	results() []*rerankdv1.RerankResult
	// originalOrder is every document that was read, unscored.
	originalOrder() []*rerankdv1.RerankResult
}

func newRanking(options *rerankdv1.RerankOptions) ranking {
	if options.GetTopN() > 0 {
		return newBest(options)
	}
	return &columns{options: options}
}

// scoredRow is what a ScoreChunk says about one document.
type scoredRow struct {
	score, logit float32
	hasLogit     bool
	dropped      int32
	passage      *rerankdv1.Passage
}

// entry is one document's place in a ranking.
type entry struct {
	scoredRow
	index    int32
	scored   bool
	id       string
	original *float32
	document *rerankdv1.Document
}

func newEntry(index int32, document *rerankdv1.Document, options *rerankdv1.RerankOptions) entry {
	e := entry{index: index, id: document.GetId(), original: document.OriginalScore}
	if options.GetReturnDocuments() {
		e.document = document
	}
	return e
}

// compareEntries is below 0 if a comes before b: scored ones first, then by score, then by logit, because a
// sigmoid rounds different logits to the same score, then by index.
func compareEntries(a, b *entry) int {
	if a.scored != b.scored {
		if a.scored {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(b.logit, a.logit), cmp.Compare(a.index, b.index))
}

// admits tells whether a score is high enough to be in the results. Unscored documents are not, once there
// is a least score.
func admits(options *rerankdv1.RerankOptions, scored bool, score float32) bool {
	return options.MinScore == nil || (scored && score >= options.GetMinScore())
}

func (e *entry) result(rank int) *rerankdv1.RerankResult {
	result := &rerankdv1.RerankResult{
		Index:         e.index,
		Id:            e.id,
		Rank:          int32(rank),
		OriginalScore: e.original,
		Document:      e.document,
		Scored:        e.scored,
	}
	if e.scored {
		result.Score, result.DroppedTokens, result.Passage = e.score, e.dropped, e.passage
		if e.hasLogit {
			logit := e.logit
			result.Logit = &logit
		}
	}
	return result
}
