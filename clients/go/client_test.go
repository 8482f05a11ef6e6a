package rerankd_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/types/known/durationpb"

	rerankd "github.com/rerankd/rerankd/clients/go"
	"github.com/rerankd/rerankd/clients/go/internal/fakeserver"
	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

func TestRerankRanksAList(t *testing.T) {
	client := dial(t, &fakeserver.Server{})
	docs := documents(20)

	response := must[*rerankdv1.RerankResponse](t)(
		client.Rerank(patience(t), "query", docs, &rerankdv1.RerankOptions{TopN: 5}))

	sameResults(t, fakeserver.Ranking(docs, &rerankdv1.RerankOptions{TopN: 5}), response.GetResults())
}

func TestMetadataTokenAndUserAgentTravelOverPlainText(t *testing.T) {
	server := &fakeserver.Server{}
	client := dial(t, server, rerankd.WithToken("secret"),
		rerankd.WithMetadata(map[string]string{"X-Team": "search"}))
	must[*rerankdv1.RerankResponse](t)(client.Rerank(patience(t), "query", documents(1), nil))
	must[*rerankdv1.RerankResponse](t)(ranked(t, client, listed(documents(3)), nil))

	for _, method := range []string{"Rerank", "RerankStream"} {
		sent := server.Metadata(method)
		if got := sent.Get("authorization"); len(got) != 1 || got[0] != "Bearer secret" {
			t.Errorf("%s: authorization %q", method, got)
		}
		if got := sent.Get("x-team"); len(got) != 1 || got[0] != "search" {
			t.Errorf("%s: x-team %q", method, got)
		}
		if got := sent.Get("user-agent"); len(got) != 1 || !strings.HasPrefix(got[0], "rerankd-go/"+rerankd.Version) {
			t.Errorf("%s: user-agent %q", method, got)
		}
	}
}

func TestNewRefusesWhatNoCallCouldUse(t *testing.T) {
	for name, option := range map[string]rerankd.Option{
		"newline":    rerankd.WithToken("secret\n"),
		"metadata":   rerankd.WithMetadata(map[string]string{"a": "\x00"}),
		"root":       rerankd.WithTLS(rerankd.TLSConfig{RootCertificates: []byte("no PEM")}),
		"key":        rerankd.WithTLS(rerankd.TLSConfig{ClientCertificate: []byte("no PEM")}),
		"dialoption": rerankd.WithDialOptions(grpc.WithDefaultServiceConfig("no JSON")),
	} {
		if client, err := rerankd.New("localhost:1", option); err == nil {
			t.Errorf("%s: no error", name)
			_ = client.Close()
		}
	}
}

func TestUnaryDeadline(t *testing.T) {
	var deadline time.Duration
	note := func(
		ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker,
		options ...grpc.CallOption,
	) error {
		deadline = 0
		if until, ok := ctx.Deadline(); ok {
			deadline = time.Until(until)
		}
		return invoke(ctx, method, request, reply, conn, options...)
	}
	server := serve(t, &fakeserver.Server{})
	for name, one := range map[string]struct {
		options []rerankd.Option
		call    time.Duration
		most    time.Duration
	}{
		"default": {nil, 0, 30 * time.Second},
		"client":  {[]rerankd.Option{rerankd.WithTimeout(time.Hour)}, 0, time.Hour},
		"call":    {[]rerankd.Option{rerankd.WithTimeout(time.Second)}, 2 * time.Hour, 2 * time.Hour},
		"none":    {[]rerankd.Option{rerankd.WithTimeout(0)}, 0, 0},
	} {
		options := append(one.options, rerankd.WithDialOptions(grpc.WithUnaryInterceptor(note)))
		client := connect(t, server.Target(), options...)
		ctx := t.Context()
		if one.call > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, one.call)
			defer cancel()
		}
		must[*rerankdv1.RerankResponse](t)(client.Rerank(ctx, "query", documents(1), nil))
		if deadline > one.most || deadline < one.most-time.Minute/2 {
			t.Errorf("%s: deadline in %v, want %v", name, deadline, one.most)
		}
	}
}

func TestDeadlineAndCancellationAreThoseOfContextToo(t *testing.T) {
	client := dial(t, &fakeserver.Server{})

	late, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err := client.Rerank(late, "wait", documents(1), nil)
	if !errors.Is(err, rerankd.ErrDeadlineExceeded) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v is no deadline", err)
	}

	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = client.Rerank(gone, "wait", documents(1), nil)
	if !errors.Is(err, rerankd.ErrCancelled) || !errors.Is(err, context.Canceled) {
		t.Errorf("%v is no cancellation", err)
	}
}

func TestUnaryCallsAreTriedThreeTimes(t *testing.T) {
	for name, wanted := range map[string]error{"twice": nil, "thrice": rerankd.ErrOverloaded} {
		t.Run(name, func(t *testing.T) {
			server := &fakeserver.Server{Unary: func(call int) error {
				if call < 2 || wanted != nil {
					return fakeserver.Failure(codes.Unavailable, "OVERLOADED", "full")
				}
				return nil
			}}
			client := dial(t, server)
			_, err := client.Rerank(patience(t), "query", documents(1), nil)
			if !errors.Is(err, wanted) {
				t.Errorf("%v", err)
			}
			if calls := server.Calls("Rerank"); calls != 3 {
				t.Errorf("%d calls", calls)
			}
		})
	}
}

func TestLimitsAreCheckedBeforeSending(t *testing.T) {
	server := &fakeserver.Server{Limits: &rerankdv1.Limits{MaxDocuments: 2000, MaxReceiveBytes: 1 << 20}}
	client := dial(t, server)

	// Above the default limit, within the live one.
	must[*rerankdv1.RerankResponse](t)(client.Rerank(patience(t), "query", documents(1500), nil))
	if server.Calls("Status") != 1 {
		t.Error("Status was not asked")
	}

	_, err := client.Rerank(patience(t), "query", documents(2001), nil)
	var failure *rerankd.Error
	if !errors.As(err, &failure) || !errors.Is(err, rerankd.ErrTooManyDocuments) ||
		!errors.Is(err, rerankd.ErrInvalidRequest) {
		t.Fatalf("%v", err)
	}
	if failure.Metadata["documents"] != "2001" || failure.Metadata["limit"] != "2000" ||
		failure.FieldViolations[0].Field != "documents" {
		t.Errorf("%+v", failure)
	}

	large := rerankd.Texts(strings.Repeat("a", 2<<20))
	if _, err = client.Rerank(patience(t), "query", large, nil); !errors.Is(err, rerankd.ErrMessageTooLarge) {
		t.Errorf("%v", err)
	}
	batch := &rerankdv1.RerankBatchRequest{SharedDocuments: large}
	if _, err = client.RerankBatch(patience(t), batch); !errors.Is(err, rerankd.ErrMessageTooLarge) {
		t.Errorf("%v", err)
	}
	if calls := server.Calls("Rerank"); calls != 1 {
		t.Errorf("%d calls were sent", calls)
	}
}

func TestAServerThatForbidsStatusHasTheDefaultLimits(t *testing.T) {
	server := &fakeserver.Server{StatusError: fakeserver.Failure(codes.PermissionDenied, "FORBIDDEN", "no")}
	client := dial(t, server)
	for range 2 {
		_, err := client.Rerank(patience(t), "query", documents(1025), nil)
		if !errors.Is(err, rerankd.ErrTooManyDocuments) {
			t.Errorf("%v", err)
		}
	}
	if server.Calls("Status") != 1 {
		t.Error("Status was asked again")
	}
}

func TestAnswersAboveTheClientsLimit(t *testing.T) {
	client := dial(t, &fakeserver.Server{}, rerankd.WithMaxReceiveBytes(100))
	_, err := client.Rerank(patience(t), "query", documents(100), nil)
	if !errors.Is(err, rerankd.ErrMessageTooLarge) {
		t.Errorf("%v", err)
	}
}

func TestRerankBatch(t *testing.T) {
	client := dial(t, &fakeserver.Server{})
	response := must[*rerankdv1.RerankBatchResponse](t)(client.RerankBatch(patience(t),
		&rerankdv1.RerankBatchRequest{
			Requests:        []*rerankdv1.RerankRequest{{Query: "one"}, {Query: ""}},
			SharedDocuments: documents(3),
		}))
	good, bad := response.GetResults()[0], response.GetResults()[1]
	if rerankd.BatchItemError(good) != nil || len(good.GetResponse().GetResults()) != 3 {
		t.Errorf("%v", good)
	}
	var failure *rerankd.Error
	if err := rerankd.BatchItemError(bad); !errors.Is(err, rerankd.ErrInvalidRequest) ||
		!errors.As(err, &failure) || failure.Code != codes.InvalidArgument {
		t.Errorf("%v", err)
	}
}

func TestWarmup(t *testing.T) {
	client := dial(t, &fakeserver.Server{})
	var stages []rerankdv1.WarmupStage
	model := must[*rerankdv1.ModelStatus](t)(client.Warmup(patience(t), nil,
		func(message *rerankdv1.WarmupResponse) { stages = append(stages, message.GetStage()) }))
	if model.GetState() != rerankdv1.ModelState_MODEL_STATE_ACTIVE || len(stages) != 3 {
		t.Errorf("%v after %v", model, stages)
	}
	_, err := client.Warmup(patience(t), &rerankdv1.WarmupRequest{Model: "missing"}, nil)
	if !errors.Is(err, rerankd.ErrModelNotFound) {
		t.Errorf("%v", err)
	}
	_, err = client.Warmup(patience(t), &rerankdv1.WarmupRequest{Model: "silent"}, nil)
	if !errors.Is(err, rerankd.ErrInternal) {
		t.Errorf("%v", err)
	}
}

func TestIsReady(t *testing.T) {
	server := &fakeserver.Server{}
	client := dial(t, server)
	if must[bool](t)(client.IsReady(patience(t), rerankd.ServiceReady)) {
		t.Error("a name that the server does not know is ready")
	}
	server.Health.SetServingStatus(rerankd.ServiceModel("m"), healthpb.HealthCheckResponse_SERVING)
	if !must[bool](t)(client.IsReady(patience(t), rerankd.ServiceModel("m"))) {
		t.Error("not ready")
	}
	server.Stop()
	if _, err := client.IsReady(patience(t), rerankd.ServiceReady); !errors.Is(err, rerankd.ErrUnavailable) {
		t.Errorf("%v", err)
	}
}

func TestWaitUntilReadySurvivesARestart(t *testing.T) {
	server := &fakeserver.Server{}
	client := dial(t, server)
	must[*rerankdv1.StatusResponse](t)(client.Status(patience(t)))
	waited := make(chan error, 1)
	watched := make(chan struct{}, 1)
	watch := connect(t, server.Target(), rerankd.WithDialOptions(grpc.WithStreamInterceptor(func(
		ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer,
		options ...grpc.CallOption,
	) (grpc.ClientStream, error) {
		stream, err := open(ctx, desc, conn, method, options...)
		select {
		case watched <- struct{}{}:
		default:
		}
		return stream, err
	})))
	go func() { waited <- watch.WaitUntilReady(patience(t), rerankd.ServiceReady) }()
	<-watched
	server.Stop()
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	server.Health.SetServingStatus(rerankd.ServiceReady, healthpb.HealthCheckResponse_SERVING)
	if err := <-waited; err != nil {
		t.Error(err)
	}
}

func TestWaitUntilReadyEndsWithItsContext(t *testing.T) {
	client := dial(t, &fakeserver.Server{})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	err := client.WaitUntilReady(ctx, rerankd.ServiceReady)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "not SERVING") {
		t.Errorf("%v", err)
	}
}

func TestCallsWaitForAServerOnlyIfTold(t *testing.T) {
	server := serve(t, &fakeserver.Server{})
	server.Stop()
	hasty := connect(t, server.Target())
	if _, err := hasty.Status(patience(t)); !errors.Is(err, rerankd.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	patient := connect(t, server.Target(), rerankd.WithWaitForReady())
	answered := make(chan error, 1)
	go func() {
		_, err := patient.Status(patience(t))
		answered <- err
	}()
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

func TestAListOfServersTakesTurns(t *testing.T) {
	servers := []*fakeserver.Server{serve(t, &fakeserver.Server{}), {}}
	if err := servers[1].Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(servers[1].Stop)
	client := connect(t, "ipv4:"+servers[0].Target()+","+servers[1].Target(), rerankd.WithKeepalive(time.Minute))
	for servers[0].Calls("Status") == 0 || servers[1].Calls("Status") == 0 {
		must[*rerankdv1.StatusResponse](t)(client.Status(patience(t)))
	}
	if authority := servers[0].Metadata("Status").Get(":authority"); authority[0] != servers[0].Target() {
		t.Errorf("authority %q", authority)
	}
}

func TestAListHoldsAddressesOnly(t *testing.T) {
	for _, target := range []string{"ipv4:localhost:1", "ipv4:127.0.0.1"} {
		client := connect(t, target)
		_, err := client.Status(patience(t))
		if err == nil || !strings.Contains(err.Error(), "ipv4:") {
			t.Errorf("%s: %v", target, err)
		}
	}
}

func TestTheServiceConfigIsThatOfTheProtos(t *testing.T) {
	original, err := os.ReadFile(filepath.Join("..", "..", "protos", "rerankd", "v1", "rerankd_grpc_service_config.json"))
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("the protos are not beside this module")
	}
	if copied := must[[]byte](t)(os.ReadFile("rerankd_grpc_service_config.json")); err != nil || !bytes.Equal(original, copied) {
		t.Errorf("the copy differs (%v): copy protos/rerankd/v1/rerankd_grpc_service_config.json here", err)
	}
}

func TestFromErrorReadsTheDetails(t *testing.T) {
	server := &fakeserver.Server{Unary: func(int) error {
		return fakeserver.Failure(codes.ResourceExhausted, "QUOTA_EXCEEDED", "used up",
			&errdetails.RetryInfo{RetryDelay: durationpb.New(3 * time.Second)})
	}}
	serve(t, server)
	conn := must[*grpc.ClientConn](t)(
		grpc.NewClient(server.Target(), grpc.WithTransportCredentials(insecure.NewCredentials())))
	defer func() { _ = conn.Close() }()
	_, err := rerankdv1.NewRerankServiceClient(conn).Rerank(patience(t), &rerankdv1.RerankRequest{})
	var failure *rerankd.Error
	if err := rerankd.FromError(err); !errors.As(err, &failure) || !errors.Is(err, rerankd.ErrQuotaExceeded) {
		t.Fatalf("%v", err)
	}
	if failure.RetryAfter != 3*time.Second || failure.Reason != "QUOTA_EXCEEDED" || failure.Message != "used up" {
		t.Errorf("%+v", failure)
	}
}
