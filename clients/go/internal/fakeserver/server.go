// Package fakeserver is a rerankd server without a model, for the tests of the client: it speaks the real
// protocol over a real socket, scores texts by a fixed rule, and fails as its plans say.
package fakeserver

import (
	"context"
	"fmt"
	"net"
	"sync"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

// Server is a fake server. Set its fields before Start.
type Server struct {
	rerankdv1.UnimplementedRerankServiceServer

	// Limits are what Status tells and the server keeps to.
	Limits *rerankdv1.Limits
	// Plan tells what happens to a stream, by the number of streams before it. Nil means that all goes well.
	Plan func(stream int) Plan
	// Unary answers Rerank in place of the ranking, by the number of calls before it.
	Unary func(call int) error
	// StatusError is what Status fails with.
	StatusError error
	// Chunk is called with each chunk of documents.
	Chunk func(*rerankdv1.DocumentChunk)
	// Options are those of the gRPC server.
	Options []grpc.ServerOption
	// Health holds the health names; Start makes it.
	Health *health.Server

	grpc    *grpc.Server
	address string

	mu       sync.Mutex
	calls    map[string]int
	metadata map[string]metadata.MD
	starts   []*rerankdv1.RerankStreamStart
	received []int
}

// Start listens on a free port of the loopback address, or on the address of a server that ran before.
func (s *Server) Start() error {
	if s.address == "" {
		s.address = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", s.address)
	if err != nil {
		return fmt.Errorf("fake server: %w", err)
	}
	s.address = listener.Addr().String()
	server := grpc.NewServer(append([]grpc.ServerOption{
		grpc.MaxRecvMsgSize(16 << 20), grpc.WaitForHandlers(true),
	}, s.Options...)...)
	s.grpc = server
	s.Health = health.NewServer()
	rerankdv1.RegisterRerankServiceServer(server, s)
	healthpb.RegisterHealthServer(server, s.Health)
	// Serve gives an error only before it runs; Stop ends it.
	go func() { _ = server.Serve(listener) }()
	return nil
}

// Target is the host:port of a server that was started.
func (s *Server) Target() string { return s.address }

// Stop breaks all connections.
func (s *Server) Stop() { s.grpc.Stop() }

// GracefulStop sends GOAWAY and waits for the calls under way.
func (s *Server) GracefulStop() { s.grpc.GracefulStop() }

// Calls tells how often a method was called.
func (s *Server) Calls(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[method]
}

// Metadata is that of the last call of a method.
func (s *Server) Metadata(method string) metadata.MD {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.metadata[method]
}

// Starts are the first messages of all streams so far.
func (s *Server) Starts() []*rerankdv1.RerankStreamStart {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*rerankdv1.RerankStreamStart(nil), s.starts...)
}

// Received tells how many documents each stream brought so far.
func (s *Server) Received() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]int(nil), s.received...)
}

func (s *Server) enter(ctx context.Context, method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls == nil {
		s.calls, s.metadata = map[string]int{}, map[string]metadata.MD{}
	}
	s.metadata[method], _ = metadata.FromIncomingContext(ctx)
	s.calls[method]++
	return s.calls[method] - 1
}

// Status tells the limits.
func (s *Server) Status(ctx context.Context, _ *rerankdv1.StatusRequest) (*rerankdv1.StatusResponse, error) {
	s.enter(ctx, "Status")
	if s.StatusError != nil {
		return nil, s.StatusError
	}
	return &rerankdv1.StatusResponse{Version: "0.4.0", ApiPackage: "rerankd.v1", Limits: s.Limits}, nil
}

// Rerank ranks as the plan for unary calls allows.
func (s *Server) Rerank(
	ctx context.Context, request *rerankdv1.RerankRequest,
) (*rerankdv1.RerankResponse, error) {
	call := s.enter(ctx, "Rerank")
	if s.Unary != nil {
		if err := s.Unary(call); err != nil {
			return nil, err
		}
	}
	if request.GetQuery() == "wait" {
		<-ctx.Done()
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	count := int32(len(request.GetDocuments()))
	return &rerankdv1.RerankResponse{
		Results: Ranking(request.GetDocuments(), request.GetOptions()),
		Model:   Model(""),
		Usage:   &rerankdv1.Usage{Documents: count, ScoredDocuments: count},
		Outcome: rerankdv1.Outcome_OUTCOME_RERANKED,
	}, nil
}

// RerankBatch ranks each request; one without a query fails by itself.
func (s *Server) RerankBatch(
	ctx context.Context, request *rerankdv1.RerankBatchRequest,
) (*rerankdv1.RerankBatchResponse, error) {
	s.enter(ctx, "RerankBatch")
	response := &rerankdv1.RerankBatchResponse{}
	for _, one := range request.GetRequests() {
		result := &rerankdv1.RerankBatchResult{}
		if one.GetQuery() == "" {
			failure := &rerankdv1.RerankError{Reason: "INVALID_REQUEST", Message: "query is empty"}
			result.Result = &rerankdv1.RerankBatchResult_Error{Error: failure}
		} else {
			documents := append(one.GetDocuments(), request.GetSharedDocuments()...)
			ranking := &rerankdv1.RerankResponse{Results: Ranking(documents, one.GetOptions())}
			result.Result = &rerankdv1.RerankBatchResult_Response{Response: ranking}
		}
		response.Results = append(response.Results, result)
	}
	return response, nil
}

// Warmup tells two steps and the status of the model; "missing" is no model.
func (s *Server) Warmup(
	request *rerankdv1.WarmupRequest, stream rerankdv1.RerankService_WarmupServer,
) error {
	s.enter(stream.Context(), "Warmup")
	if request.GetModel() == "missing" {
		return Failure(codes.NotFound, "MODEL_NOT_FOUND", "no such model")
	}
	for _, stage := range []rerankdv1.WarmupStage{
		rerankdv1.WarmupStage_WARMUP_STAGE_RESOLVE, rerankdv1.WarmupStage_WARMUP_STAGE_SESSION,
	} {
		if err := stream.Send(&rerankdv1.WarmupResponse{Stage: stage, Progress: 1}); err != nil {
			return err
		}
	}
	if request.GetModel() == "silent" {
		return nil
	}
	return stream.Send(&rerankdv1.WarmupResponse{
		Stage:  rerankdv1.WarmupStage_WARMUP_STAGE_DONE,
		Status: &rerankdv1.ModelStatus{Id: "fake", State: rerankdv1.ModelState_MODEL_STATE_ACTIVE},
	})
}

// Model names the fake model.
func Model(revision string) *rerankdv1.ModelRef {
	return &rerankdv1.ModelRef{Id: "fake", Revision: revision, Backend: "fake"}
}

// Failure is an error as a rerankd server sends it.
func Failure(code codes.Code, reason, message string, details ...protoadapt.MessageV1) error {
	info := &errdetails.ErrorInfo{Reason: reason, Domain: "rerankd"}
	full, err := status.New(code, message).WithDetails(append([]protoadapt.MessageV1{info}, details...)...)
	if err != nil {
		return err
	}
	return full.Err()
}
