// Checks our checkpoints and proofs with Go's implementation of signed notes and transparency logs (golang.org/x/mod).
package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type claim struct {
	Vkey      string   `json:"vkey"`
	Note      string   `json:"note"`
	Inclusion []proven `json:"inclusion"`
	Older     []older  `json:"older"`
}

type proven struct {
	Index int64    `json:"index"`
	Entry string   `json:"entry"`
	Path  []string `json:"path"`
}

type older struct {
	Note string   `json:"note"`
	Path []string `json:"path"`
}

func hashes(path []string) ([]tlog.Hash, error) {
	found := []tlog.Hash{}
	for _, text := range path {
		hash, err := tlog.ParseHash(text)
		if err != nil {
			return nil, err
		}
		found = append(found, hash)
	}
	return found, nil
}

func head(text string, verifiers note.Verifiers, name string) (tlog.Tree, error) {
	opened, err := note.Open([]byte(text), verifiers)
	if err != nil {
		return tlog.Tree{}, err
	}
	// tlog.ParseTree reads the checksum database's own form only, whose first line is fixed.
	lines := strings.SplitN(opened.Text, "\n", 2)
	if lines[0] != name {
		return tlog.Tree{}, fmt.Errorf("another log: %s", lines[0])
	}
	return tlog.ParseTree([]byte("go.sum database tree\n" + lines[1]))
}

func check(one claim) error {
	verifier, err := note.NewVerifier(one.Vkey)
	if err != nil {
		return err
	}
	verifiers := note.VerifierList(verifier)
	tree, err := head(one.Note, verifiers, verifier.Name())
	if err != nil {
		return err
	}
	for _, item := range one.Inclusion {
		path, err := hashes(item.Path)
		if err != nil {
			return err
		}
		entry, err := base64.StdEncoding.DecodeString(item.Entry)
		if err != nil {
			return err
		}
		if err := tlog.CheckRecord(path, tree.N, tree.Hash, item.Index, tlog.RecordHash(entry)); err != nil {
			return err
		}
	}
	for _, item := range one.Older {
		before, err := head(item.Note, verifiers, verifier.Name())
		if err != nil {
			return err
		}
		path, err := hashes(item.Path)
		if err != nil {
			return err
		}
		if err := tlog.CheckTree(path, tree.N, tree.Hash, before.N, before.Hash); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	var claims []claim
	if err := json.NewDecoder(os.Stdin).Decode(&claims); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	for _, one := range claims {
		if err := check(one); err != nil {
			fmt.Println("refused:", err)
		} else {
			fmt.Println("accepted")
		}
	}
}
