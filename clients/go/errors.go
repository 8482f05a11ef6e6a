package rerankd

import (
	"context"
	"errors"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"
)

// What a call can fail with, for errors.Is. The comments of rerankdv1.ErrorReason tell more of each.
var (
	// ErrInvalidRequest means that a field of the request is missing, out of bounds or contradictory.
	ErrInvalidRequest = errors.New("invalid request")
	// ErrTooManyDocuments means more documents than a unary call takes; it is an ErrInvalidRequest too.
	ErrTooManyDocuments = errors.New("too many documents")
	// ErrDocumentTooLong means a document longer than is scored; it is an ErrInvalidRequest too.
	ErrDocumentTooLong = errors.New("document too long")
	// ErrStreamProtocol means messages of a stream in a wrong order, which this client never sends; it is
	// an ErrInvalidRequest too.
	ErrStreamProtocol = errors.New("stream protocol")
	// ErrMessageTooLarge means a message above the limit of its receiver. It must not be retried.
	ErrMessageTooLarge = errors.New("message too large")
	// ErrModelNotFound means a model that the server does not offer.
	ErrModelNotFound = errors.New("model not found")
	// ErrModelFailed means a model that cannot be loaded. A retry does not help until the operator acts.
	ErrModelFailed = errors.New("model failed")
	// ErrModelChanged means that an interrupted stream would go on with another revision of the model,
	// whose scores cannot be compared. Run it again.
	ErrModelChanged = errors.New("model changed")
	// ErrUnavailable means that no server was reached, or that it cannot answer now. The same call may
	// succeed later.
	ErrUnavailable = errors.New("unavailable")
	// ErrModelLoading means that the model is being loaded; it is an ErrUnavailable too.
	ErrModelLoading = errors.New("model loading")
	// ErrOverloaded means that the server's queue is full; it is an ErrUnavailable too.
	ErrOverloaded = errors.New("overloaded")
	// ErrDraining means that the server is stopping; it is an ErrUnavailable too.
	ErrDraining = errors.New("draining")
	// ErrProviderUnavailable means that what scores for this model is elsewhere, and cannot be reached or is
	// overloaded; it is an ErrUnavailable too.
	ErrProviderUnavailable = errors.New("provider unavailable")
	// ErrQuotaExceeded means that the key has used up its quota, or the server its own at the provider that
	// Metadata["provider"] names. Retry after Error.RetryAfter, not before.
	ErrQuotaExceeded = errors.New("quota exceeded")
	// ErrCorpusNotFound means a corpus that the server does not keep.
	ErrCorpusNotFound = errors.New("corpus not found")
	// ErrRunNotFound means a training run that the server does not keep.
	ErrRunNotFound = errors.New("run not found")
	// ErrRunActive means that a training run is active where there may be one. Wait for its end, or cancel it.
	ErrRunActive = errors.New("run active")
	// ErrTooFewTriplets means training material that is too small to learn from. Collect or import more, then mine again.
	ErrTooFewTriplets = errors.New("too few triplets")
	// ErrPromotionRefused means that the gate does not let a run's model be served. The message says which condition failed.
	ErrPromotionRefused = errors.New("promotion refused")
	// ErrNotComparable means runs that were not measured on the same thing, so that a difference means nothing.
	ErrNotComparable = errors.New("not comparable")
	// ErrUnauthenticated means no key, or one that the server does not know.
	ErrUnauthenticated = errors.New("unauthenticated")
	// ErrForbidden means a key that does not allow this call or this model.
	ErrForbidden = errors.New("forbidden")
	// ErrDeadlineExceeded means that the deadline came before the answer; errors.Is finds
	// context.DeadlineExceeded too.
	ErrDeadlineExceeded = errors.New("deadline exceeded")
	// ErrCancelled means that the call was cancelled; errors.Is finds context.Canceled too.
	ErrCancelled = errors.New("cancelled")
	// ErrBackendFailed means that inference, a provider or a plugin failed; the server's log has the cause.
	ErrBackendFailed = errors.New("backend failed")
	// ErrNonFiniteScore means that the model gave NaN or infinity; Metadata["index"] names the document.
	ErrNonFiniteScore = errors.New("non-finite score")
	// ErrInternal means a fault in the server, or an answer of it that makes no sense.
	ErrInternal = errors.New("internal")
)

const errorDomain = "rerankd"

// kind is what an error is, and the more general kind that it is too.
type kind struct {
	sentinel, parent error
	code             codes.Code
}

var kinds = map[string]kind{
	"INVALID_REQUEST":      {ErrInvalidRequest, nil, codes.InvalidArgument},
	"TOO_MANY_DOCUMENTS":   {ErrTooManyDocuments, ErrInvalidRequest, codes.InvalidArgument},
	"DOCUMENT_TOO_LONG":    {ErrDocumentTooLong, ErrInvalidRequest, codes.InvalidArgument},
	"STREAM_PROTOCOL":      {ErrStreamProtocol, ErrInvalidRequest, codes.InvalidArgument},
	"MODEL_NOT_FOUND":      {ErrModelNotFound, nil, codes.NotFound},
	"MODEL_FAILED":         {ErrModelFailed, nil, codes.FailedPrecondition},
	"MODEL_LOADING":        {ErrModelLoading, ErrUnavailable, codes.Unavailable},
	"OVERLOADED":           {ErrOverloaded, ErrUnavailable, codes.Unavailable},
	"DRAINING":             {ErrDraining, ErrUnavailable, codes.Unavailable},
	"PROVIDER_UNAVAILABLE": {ErrProviderUnavailable, ErrUnavailable, codes.Unavailable},
	"QUOTA_EXCEEDED":       {ErrQuotaExceeded, nil, codes.ResourceExhausted},
	"CORPUS_NOT_FOUND":     {ErrCorpusNotFound, nil, codes.NotFound},
	"RUN_NOT_FOUND":        {ErrRunNotFound, nil, codes.NotFound},
	"RUN_ACTIVE":           {ErrRunActive, nil, codes.FailedPrecondition},
	"TOO_FEW_TRIPLETS":     {ErrTooFewTriplets, nil, codes.FailedPrecondition},
	"PROMOTION_REFUSED":    {ErrPromotionRefused, nil, codes.FailedPrecondition},
	"NOT_COMPARABLE":       {ErrNotComparable, nil, codes.FailedPrecondition},
	"UNAUTHENTICATED":      {ErrUnauthenticated, nil, codes.Unauthenticated},
	"FORBIDDEN":            {ErrForbidden, nil, codes.PermissionDenied},
	"DEADLINE_EXCEEDED":    {ErrDeadlineExceeded, nil, codes.DeadlineExceeded},
	"CANCELLED":            {ErrCancelled, nil, codes.Canceled},
	"BACKEND_FAILED":       {ErrBackendFailed, nil, codes.Internal},
	"NON_FINITE_SCORE":     {ErrNonFiniteScore, nil, codes.Internal},
	"INTERNAL":             {ErrInternal, nil, codes.Internal},
}

// Only codes whose meaning does not depend on who raised them: gRPC, a proxy or the server.
var kindsByCode = map[codes.Code]kind{
	codes.Unavailable:      {sentinel: ErrUnavailable},
	codes.DeadlineExceeded: {sentinel: ErrDeadlineExceeded},
	codes.Canceled:         {sentinel: ErrCancelled},
	codes.Unauthenticated:  {sentinel: ErrUnauthenticated},
	codes.PermissionDenied: {sentinel: ErrForbidden},
}

// FieldViolation is one field of the request that was refused.
type FieldViolation struct {
	// Field is its path, for example documents[17].text.
	Field string
	// Description says what is wrong with it.
	Description string
}

// Error is a call that failed.
type Error struct {
	// Code is the gRPC status code.
	Code codes.Code
	// Reason is the name of the rerankdv1.ErrorReason without its prefix, for example OVERLOADED. It is
	// empty where gRPC itself, or this client, raised the error without one.
	Reason string
	// Message says what happened, for a person to read.
	Message string
	// Metadata holds the parts of the message that vary.
	Metadata map[string]string
	// FieldViolations are the fields at fault, for requests that were refused.
	FieldViolations []FieldViolation
	// RetryAfter is when a retry makes sense; 0 where no delay was named.
	RetryAfter time.Duration

	// sentinel is set for kinds that neither the reason nor the code tells.
	sentinel error
	cause    error
}

// Error tells the reason, or the code without one, and the message.
func (e *Error) Error() string {
	name := e.Reason
	if name == "" {
		name = e.Code.String()
	}
	return "rerankd: " + name + ": " + e.Message
}

// Is reports whether target is the sentinel of this error, or of a kind that includes it.
func (e *Error) Is(target error) bool {
	k := e.kind()
	switch target {
	case nil:
		return false
	case context.DeadlineExceeded:
		return k.sentinel == ErrDeadlineExceeded
	case context.Canceled:
		return k.sentinel == ErrCancelled
	}
	return target == k.sentinel || target == k.parent
}

// Unwrap gives the cause, usually the error of gRPC.
func (e *Error) Unwrap() error { return e.cause }

// GRPCStatus gives the error as a gRPC status, for the functions of the package status.
func (e *Error) GRPCStatus() *status.Status {
	var origin interface{ GRPCStatus() *status.Status }
	if errors.As(e.cause, &origin) && origin.GRPCStatus().Code() == e.Code {
		return origin.GRPCStatus()
	}
	bare := status.New(e.Code, e.Message)
	if full, err := bare.WithDetails(e.details()...); err == nil {
		return full
	}
	return bare
}

func (e *Error) details() []protoadapt.MessageV1 {
	var details []protoadapt.MessageV1
	if e.Reason != "" {
		details = append(details,
			&errdetails.ErrorInfo{Reason: e.Reason, Domain: errorDomain, Metadata: e.Metadata})
	}
	if len(e.FieldViolations) > 0 {
		bad := &errdetails.BadRequest{}
		for _, violation := range e.FieldViolations {
			bad.FieldViolations = append(bad.FieldViolations, &errdetails.BadRequest_FieldViolation{
				Field: violation.Field, Description: violation.Description,
			})
		}
		details = append(details, bad)
	}
	if e.RetryAfter > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(e.RetryAfter)})
	}
	return details
}

func (e *Error) kind() kind {
	if e.sentinel != nil {
		return kind{sentinel: e.sentinel}
	}
	if k, ok := kinds[e.Reason]; ok {
		return k
	}
	return kindsByCode[e.Code]
}
