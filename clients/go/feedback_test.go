package rerankd_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	rerankd "github.com/rerankd/rerankd/clients/go"
	"github.com/rerankd/rerankd/clients/go/internal/fakeserver"
	trainingv1alpha "github.com/rerankd/rerankd/clients/go/rerankd/training/v1alpha"
	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

// learner keeps what it is told, and ranks in reverse.
type learner struct {
	trainingv1alpha.UnimplementedTrainingServiceServer
	rerankdv1.UnimplementedRerankServiceServer

	events   []*trainingv1alpha.FeedbackEvent
	metadata metadata.MD
	failure  error
}

func (l *learner) RecordFeedback(
	ctx context.Context, request *trainingv1alpha.RecordFeedbackRequest,
) (*trainingv1alpha.RecordFeedbackResponse, error) {
	if l.failure != nil {
		return nil, l.failure
	}
	l.metadata, _ = metadata.FromIncomingContext(ctx)
	l.events = append(l.events, request.GetEvents()...)
	response := &trainingv1alpha.RecordFeedbackResponse{}
	for _, event := range request.GetEvents() {
		response.EventIds = append(response.EventIds, event.GetEventId())
	}
	return response, nil
}

func (l *learner) Rerank(
	ctx context.Context, request *rerankdv1.RerankRequest,
) (*rerankdv1.RerankResponse, error) {
	l.metadata, _ = metadata.FromIncomingContext(ctx)
	response := &rerankdv1.RerankResponse{}
	for row := range request.GetDocuments() {
		index := len(request.GetDocuments()) - 1 - row
		response.Results = append(response.Results,
			&rerankdv1.RerankResult{Index: int32(index), Rank: int32(row + 1), Score: 0.5})
	}
	return response, nil
}

func learning(t *testing.T) (*learner, *rerankd.Client) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served, server := &learner{}, grpc.NewServer()
	trainingv1alpha.RegisterTrainingServiceServer(server, served)
	rerankdv1.RegisterRerankServiceServer(server, served)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	client, err := rerankd.New(listener.Addr().String(), rerankd.WithToken("secret"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return served, client
}

func TestFeedbackOfARanking(t *testing.T) {
	served, client := learning(t)
	documents := []*rerankdv1.Document{
		{Id: "a", Content: &rerankdv1.Document_Text{Text: "salt"}},
		{Id: "b", Content: &rerankdv1.Document_Text{Text: "pump"}},
	}
	response, err := client.Rerank(rerankd.WithCorpus(t.Context(), "docs", "r1"), "why", documents, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := served.metadata.Get("x-rerankd-corpus"); len(got) != 1 || got[0] != "docs" {
		t.Errorf("x-rerankd-corpus: %v", got)
	}
	if got := served.metadata.Get("x-request-id"); len(got) != 1 || got[0] != "r1" {
		t.Errorf("x-request-id: %v", got)
	}
	shown, err := rerankd.Shown("docs", "r1", "why", documents, response)
	if err != nil {
		t.Fatal(err)
	}
	events := []*trainingv1alpha.FeedbackEvent{
		shown, rerankd.Clicked("docs", "r1", "a"), rerankd.Rated("docs", "r1", "b", 0.25),
	}
	kept, err := client.RecordFeedback(t.Context(), events)
	if err != nil {
		t.Fatal(err)
	}
	if len(kept.GetEventIds()) != 3 || kept.GetEventIds()[1] == kept.GetEventIds()[2] {
		t.Errorf("kept %v", kept.GetEventIds())
	}
	if got := served.metadata.Get("authorization"); len(got) != 1 || got[0] != "Bearer secret" {
		t.Errorf("authorization: %v", got)
	}
	list := served.events[0].GetShown().GetDocuments()
	if len(list) != 2 || list[0].GetId() != "b" || list[0].GetRank() != 1 || list[0].GetText() != "pump" {
		t.Errorf("shown %v", list)
	}
	if served.events[1].GetClick().GetDocumentId() != "a" || served.events[2].GetRating().GetRating() != 0.25 {
		t.Errorf("events %v", served.events)
	}
}

func TestFeedbackThatFails(t *testing.T) {
	served, client := learning(t)
	served.failure = fakeserver.Failure(codes.PermissionDenied, "FORBIDDEN", "no")
	_, err := client.RecordFeedback(t.Context(), []*trainingv1alpha.FeedbackEvent{rerankd.Clicked("docs", "r", "a")})
	if !errors.Is(err, rerankd.ErrForbidden) {
		t.Errorf("got %v", err)
	}
	response := &rerankdv1.RerankResponse{Results: []*rerankdv1.RerankResult{{}}}
	_, err = rerankd.Shown("docs", "r", "why", []*rerankdv1.Document{{}}, response)
	if !errors.Is(err, rerankd.ErrInvalidRequest) {
		t.Errorf("got %v", err)
	}
}
