package main

import (
	"context"
	"database/sql"
	"regexp"
	"strings"

	_ "modernc.org/sqlite" // SQLite with FTS5, in Go alone.
)

type document struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}

// firstStage is BM25 of SQLite's full-text index.
type firstStage struct {
	database *sql.DB
}

// newFirstStage indexes the documents in memory; open a file instead to keep the index.
func newFirstStage(ctx context.Context, documents []document) (*firstStage, error) {
	database, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return nil, err
	}
	// Each connection to :memory: is a database of its own.
	database.SetMaxOpenConns(1)
	stage := &firstStage{database: database}
	if err := stage.index(ctx, documents); err != nil {
		_ = database.Close()
		return nil, err
	}
	return stage, nil
}

func (s *firstStage) index(ctx context.Context, documents []document) error {
	transaction, err := s.database.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = transaction.Rollback() }()
	const create = "CREATE VIRTUAL TABLE documents USING fts5(id UNINDEXED, text, tokenize = 'porter unicode61')"
	if _, err := transaction.ExecContext(ctx, create); err != nil {
		return err
	}
	for _, each := range documents {
		const insert = "INSERT INTO documents (id, text) VALUES (?, ?)"
		if _, err := transaction.ExecContext(ctx, insert, each.ID, each.Text); err != nil {
			return err
		}
	}
	return transaction.Commit()
}

// best gives the documents that share a word with the query, best BM25 first; of equals the one added first.
func (s *firstStage) best(ctx context.Context, query string, limit int) ([]document, error) {
	rows, err := s.database.QueryContext(ctx,
		"SELECT id, text FROM documents WHERE documents MATCH ? ORDER BY bm25(documents), rowid LIMIT ?",
		anyWordOf(query), limit)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var found []document
	for rows.Next() {
		var each document
		if err := rows.Scan(&each.ID, &each.Text); err != nil {
			return nil, err
		}
		found = append(found, each)
	}
	return found, rows.Err()
}

func (s *firstStage) close() error { return s.database.Close() }

var word = regexp.MustCompile(`[\p{L}\p{N}_]+`)

// anyWordOf puts the query into the language of FTS5. Words are quoted, so that AND or a hyphen in a query is
// no operator.
func anyWordOf(query string) string {
	words := word.FindAllString(query, -1)
	for i := range words {
		words[i] = `"` + words[i] + `"`
	}
	return strings.Join(words, " OR ")
}
