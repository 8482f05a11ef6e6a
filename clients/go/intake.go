package rerankd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"sync"

	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

// Beside the bound in documents: a few large documents must not fill the memory either.
const windowBytes = 4 << 20

// errStopped ends the reading of a source whose documents nobody needs any more.
var errStopped = errors.New("the stream has ended")

// intake holds the documents of a stream from the moment they are read until they are scored. One goroutine
// reads the source, another sends, a third takes scores. It outlives the interruptions of the stream.
type intake struct {
	chunks chunkLimits
	window int
	// most is how many documents are scored; the ones after them are never sent. 0 means all.
	most int32

	mu      sync.Mutex
	ranking ranking
	waiting map[int32]waiting
	read    int32
	// released is the index after the last document that was given to the sender, and outstanding what of
	// the released ones is not scored.
	released         int32
	outstanding      int
	outstandingBytes int
	queue            []*chunk
	// complete means that no chunk will be queued after those of now.
	complete bool
	// exhausted means that the source came to its end.
	exhausted   bool
	passThrough bool
	stopped     bool

	// room and work wake the reader and the sender; both have room for one signal.
	room, work chan struct{}
	// done is closed when the source is no longer read.
	done chan struct{}
}

func newIntake(live *limits, chunkDocuments int, options *rerankdv1.RerankOptions) *intake {
	window := 2 * live.streamWindow
	return &intake{
		chunks:  chunkLimits{documents: min(chunkDocuments, window), bytes: live.chunkBytes},
		window:  window,
		most:    max(0, options.GetMaxScoredDocuments()),
		ranking: newRanking(options),
		waiting: map[int32]waiting{},
		room:    make(chan struct{}, 1),
		work:    make(chan struct{}, 1),
		done:    make(chan struct{}),
	}
}

func signal(channel chan struct{}) {
	select {
	case channel <- struct{}{}:
	default:
	}
}

// readAll reads the source to its end; it fails as the source does, or with errStopped.
func (in *intake) readAll(ctx context.Context, source Source) error {
	packed := newChunk(in.chunks.documents)
	for document, err := range source(ctx) {
		if err != nil {
			return err
		}
		index, noted, err := in.note(ctx, document)
		if err != nil {
			return err
		}
		if noted.document == nil {
			continue
		}
		if packed, err = in.pack(ctx, packed, index, noted); err != nil {
			return err
		}
	}
	// A source that ends because its context did has not come to its end.
	if ctx.Err() != nil {
		return errStopped
	}
	if _, err := in.release(ctx, packed, true); err != nil {
		return err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.exhausted = true
	return nil
}

// note registers a document under the next index. What it returns is empty if the document is not scored.
func (in *intake) note(
	ctx context.Context, document *rerankdv1.Document,
) (index int32, noted waiting, err error) {
	if ctx.Err() != nil {
		return 0, waiting{}, errStopped
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	index = in.read
	switch {
	case in.stopped:
		return 0, waiting{}, errStopped
	case document == nil:
		return 0, waiting{}, invalidRequest(fmt.Sprintf("documents[%d]", index), "is nil", nil)
	case index == math.MaxInt32:
		return 0, waiting{}, invalidRequest("documents", "are more than an index can count", nil)
	}
	if in.passThrough || (in.most > 0 && index >= in.most) {
		in.ranking.read(index, document)
		in.ranking.skip(index, document)
	} else {
		if noted, err = newWaiting(index, document, in.chunks.bytes); err != nil {
			return 0, waiting{}, err
		}
		in.ranking.read(index, document)
		in.waiting[index] = noted
	}
	in.read++
	return index, noted, nil
}

// pack adds a document to the chunk in the making and gives the one that is in the making then.
func (in *intake) pack(ctx context.Context, packed *chunk, index int32, noted waiting) (*chunk, error) {
	if !in.chunks.takes(packed, noted) {
		var err error
		if packed, err = in.release(ctx, packed, false); err != nil {
			return nil, err
		}
	}
	packed.add(index, noted)
	last := in.most > 0 && index+1 == in.most
	if last || len(packed.message.Documents) == in.chunks.documents {
		return in.release(ctx, packed, last)
	}
	return packed, nil
}

// release gives the chunk to the sender as soon as the window has room for it, and returns an empty one.
// With last set, no other chunk will follow.
func (in *intake) release(ctx context.Context, packed *chunk, last bool) (*chunk, error) {
	for !in.tryRelease(packed, last) {
		select {
		case <-in.room:
		case <-ctx.Done():
			return nil, errStopped
		}
	}
	signal(in.work)
	if len(packed.message.Documents) == 0 {
		return packed, nil
	}
	return newChunk(in.chunks.documents), nil
}

func (in *intake) tryRelease(packed *chunk, last bool) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	count := len(packed.message.Documents)
	if count > 0 && !in.passThrough {
		fits := in.outstanding+count <= in.window && in.outstandingBytes+packed.bytes <= windowBytes
		// A single chunk may be larger than the window.
		if !fits && in.outstanding > 0 {
			return false
		}
		in.queue = append(in.queue, packed)
		in.released = packed.end()
		in.outstanding += count
		in.outstandingBytes += packed.bytes
	}
	in.complete = in.complete || last
	return true
}

// next gives the next chunk to be sent; io.EOF when none will follow, and another error when ctx has ended.
func (in *intake) next(ctx context.Context) (*rerankdv1.DocumentChunk, error) {
	for {
		if chunk, complete := in.dequeue(); chunk != nil {
			return chunk.message, nil
		} else if complete {
			return nil, io.EOF
		}
		select {
		case <-in.work:
		case <-ctx.Done():
			return nil, errStopped
		}
	}
}

func (in *intake) dequeue() (next *chunk, complete bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.queue) == 0 {
		return nil, in.complete
	}
	next = in.queue[0]
	in.queue[0] = nil
	in.queue = in.queue[1:]
	return next, false
}

// awaitWork returns a signal to wait for until there is a chunk to send or none will come; nil if that is
// so already.
func (in *intake) awaitWork() <-chan struct{} {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.complete || len(in.queue) > 0 {
		return nil
	}
	return in.work
}

// requeue puts every released document without a score in the queue again, in order.
func (in *intake) requeue() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.queue = nil
	packed := newChunk(min(in.chunks.documents, in.outstanding))
	for _, index := range slices.Sorted(maps.Keys(in.waiting)) {
		if index >= in.released {
			break
		}
		w := in.waiting[index]
		if !in.chunks.takes(packed, w) {
			in.queue = append(in.queue, packed)
			packed = newChunk(in.chunks.documents)
		}
		packed.add(index, w)
	}
	if len(packed.message.Documents) > 0 {
		in.queue = append(in.queue, packed)
	}
	signal(in.work)
}
