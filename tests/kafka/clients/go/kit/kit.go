// Package kit is what the two Go clients share: what they were asked to do, and how they report it.
package kit

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Patience is how long a step may take before the program gives up.
const Patience = 60 * time.Second

// Task is what the environment asks for.
type Task struct {
	Bootstrap     []string
	Topic         string
	Group         string
	Records       int
	Mechanism     string
	User          string
	Password      string
	ExpectBrokers int
}

// TaskFromEnv reads the task; a missing variable ends the program.
func TaskFromEnv() Task {
	return Task{
		Bootstrap:     strings.Split(must("BOOTSTRAP"), ","),
		Topic:         must("TOPIC"),
		Group:         must("GROUP"),
		Records:       number("RECORDS", 1000),
		Mechanism:     os.Getenv("SASL_MECHANISM"),
		User:          os.Getenv("SASL_USERNAME"),
		Password:      os.Getenv("SASL_PASSWORD"),
		ExpectBrokers: number("EXPECT_BROKERS", 3),
	}
}

// Scenario is the program's only argument.
func Scenario() string {
	if len(os.Args) != 2 {
		Fail("usage: PROGRAM round-trip|traffic")
	}
	return os.Args[1]
}

// Report prints one JSON object on a line of its own.
func Report(value any) {
	line, err := json.Marshal(value)
	Check("encode the report", err)
	fmt.Println(string(line))
}

// RoundTrip is the report of the scenario of that name.
type RoundTrip struct {
	Created  bool     `json:"created"`
	Produced int      `json:"produced"`
	Consumed int      `json:"consumed"`
	Distinct int      `json:"distinct"`
	Brokers  []string `json:"brokers"`
	Deleted  bool     `json:"deleted"`
}

// Sorted returns the addresses in order, so that a test can compare them.
func Sorted(addresses []string) []string {
	sort.Strings(addresses)
	return addresses
}

// StdinClosed is closed when the test closes the program's standard input.
func StdinClosed() <-chan struct{} {
	closed := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(closed)
	}()
	return closed
}

// Check ends the program if a step failed.
func Check(step string, err error) {
	if err != nil {
		Fail("%s: %v", step, err)
	}
}

// Fail ends the program with a message on stderr.
func Fail(format string, values ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", values...)
	os.Exit(1)
}

func must(name string) string {
	value := os.Getenv(name)
	if value == "" {
		Fail("%s is not set", name)
	}
	return value
}

func number(name string, otherwise int) int {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	value, err := strconv.Atoi(text)
	Check(name, err)
	return value
}

// Note writes a line on stderr.
func Note(format string, values ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", values...)
}
