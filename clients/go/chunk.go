package rerankd

import (
	"fmt"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

const (
	// The tag and the length of the column of indexes.
	chunkHeaderBytes = 8
	// gRPC takes the buffer of a message from pools of 256 B, 4, 16 and 32 KiB and then 1 MiB: messages of
	// 40 KiB would take twenty-five times their size. What a message has around its chunk fits the rest.
	pooledBytes = 32<<10 - 256
)

// waiting is a document that was read and is not scored yet.
type waiting struct {
	document *rerankdv1.Document
	// bytes are what it adds to a chunk.
	bytes int
}

// newWaiting refuses a document that no chunk can hold.
func newWaiting(index int32, document *rerankdv1.Document, chunkBytes int) (waiting, error) {
	// The document with its tag and length, and its index.
	bytes := 1 + protowire.SizeBytes(proto.Size(document)) + protowire.SizeVarint(uint64(index))
	if bytes+chunkHeaderBytes <= chunkBytes {
		return waiting{document: document, bytes: bytes}, nil
	}
	return waiting{}, invalidRequest(
		fmt.Sprintf("documents[%d]", index),
		fmt.Sprintf("has %d bytes; a chunk takes at most %d", bytes, chunkBytes-chunkHeaderBytes),
		map[string]string{
			"index": strconv.Itoa(int(index)), "bytes": strconv.Itoa(bytes), "limit": strconv.Itoa(chunkBytes),
		},
	)
}

// chunk is a message of a stream in the making.
type chunk struct {
	message *rerankdv1.DocumentChunk
	bytes   int
}

// chunkLimits bound one chunk.
type chunkLimits struct{ documents, bytes int }

// takes tells whether a document still fits the chunk. A large one travels alone.
func (l chunkLimits) takes(c *chunk, w waiting) bool {
	if len(c.message.Documents) == 0 {
		return true
	}
	return len(c.message.Documents) < l.documents &&
		chunkHeaderBytes+c.bytes+w.bytes <= min(l.bytes, pooledBytes)
}

// newChunk makes an empty chunk with room for so many documents.
func newChunk(documents int) *chunk {
	return &chunk{message: &rerankdv1.DocumentChunk{
		Documents: make([]*rerankdv1.Document, 0, documents),
		Index:     make([]int32, 0, documents),
	}}
}

func (c *chunk) add(index int32, w waiting) {
	c.message.Documents = append(c.message.Documents, w.document)
	c.message.Index = append(c.message.Index, index)
	c.bytes += w.bytes
}

// end is the index after the last one of the chunk.
func (c *chunk) end() int32 { return c.message.Index[len(c.message.Index)-1] + 1 }
