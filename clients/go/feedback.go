package rerankd

import (
	"context"
	"crypto/rand"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	trainingv1alpha "github.com/rerankd/rerankd/clients/go/rerankd/training/v1alpha"
	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

// RecordFeedback tells a server that learns what was shown, clicked or rated. The events are on disk when it
// returns: all of them or, where one is not valid, none. It may be called again with the same events: make
// them with [Shown], [Clicked] and [Rated], which name them.
func (c *Client) RecordFeedback(
	ctx context.Context, events []*trainingv1alpha.FeedbackEvent, callOptions ...grpc.CallOption,
) (*trainingv1alpha.RecordFeedbackResponse, error) {
	ctx, cancel := c.unary(ctx)
	defer cancel()
	request := &trainingv1alpha.RecordFeedbackRequest{Events: events}
	response, err := c.training.RecordFeedback(ctx, request, callOptions...)
	if err != nil {
		return nil, FromError(err)
	}
	return response, nil
}

// WithCorpus gives a context whose [Client.Rerank] calls are kept by a server that learns as shown to users,
// for the model of a corpus. The request id names the list of results in the events of its clicks. Documents
// need ids.
func WithCorpus(ctx context.Context, corpusID, requestID string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "x-rerankd-corpus", corpusID, "x-request-id", requestID)
}

// Shown makes the event of a list of results that a user saw. It fails for a document without an id, which
// nobody could click. After a call with [WithCorpus] the server has it already.
func Shown(
	corpusID, requestID, query string, documents []*rerankdv1.Document, response *rerankdv1.RerankResponse,
) (*trainingv1alpha.FeedbackEvent, error) {
	list := &trainingv1alpha.Shown{Query: query}
	for _, result := range response.GetResults() {
		document := documents[result.GetIndex()]
		if document.GetId() == "" {
			return nil, fmt.Errorf("rerankd: documents[%d].id is empty; feedback needs ids: %w",
				result.GetIndex(), ErrInvalidRequest)
		}
		list.Documents = append(list.Documents, &trainingv1alpha.ShownDocument{
			Id: document.GetId(), Text: document.GetText(), Rank: result.GetRank(),
			Score: proto.Float32(result.GetScore()),
		})
	}
	return &trainingv1alpha.FeedbackEvent{
		EventId: "shown:" + requestID, RequestId: requestID, CorpusId: corpusID,
		What: &trainingv1alpha.FeedbackEvent_Shown{Shown: list},
	}, nil
}

// Clicked makes the event of a click.
func Clicked(corpusID, requestID, documentID string) *trainingv1alpha.FeedbackEvent {
	return &trainingv1alpha.FeedbackEvent{
		EventId: rand.Text(), RequestId: requestID, CorpusId: corpusID,
		What: &trainingv1alpha.FeedbackEvent_Click{Click: &trainingv1alpha.Click{DocumentId: documentID}},
	}
}

// Rated makes the event of a rating: 0 is bad, 1 is best.
func Rated(corpusID, requestID, documentID string, rating float64) *trainingv1alpha.FeedbackEvent {
	return &trainingv1alpha.FeedbackEvent{
		EventId: rand.Text(), RequestId: requestID, CorpusId: corpusID,
		What: &trainingv1alpha.FeedbackEvent_Rating{
			Rating: &trainingv1alpha.Rating{DocumentId: documentID, Rating: rating},
		},
	}
}
