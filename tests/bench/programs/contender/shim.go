package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goccy/go-json"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	bodyBytes = 512_000
	ahead     = 24 * time.Hour
	linger    = 2 * time.Millisecond // ingest's own
)

// receiver takes calls of known workspaces and answers 200 once Kafka has their events on all in-sync replicas.
// It merges no defaults of a batch, cuts no writeKey, and records no refusal: less than ingest does.
type receiver struct {
	client     *kgo.Client
	topic      string
	workspaces map[[sha256.Size]byte][]byte
}

func shim(kafka, topic string, keys []string) {
	client := must(kgo.NewClient(
		kgo.SeedBrokers(kafka),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(linger),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		kgo.MaxBufferedRecords(1_000_000),
	))
	to := &receiver{client, topic, map[[sha256.Size]byte][]byte{}}
	for _, pair := range keys {
		name, key, _ := strings.Cut(pair, "=")
		to.workspaces[sha256.Sum256([]byte(key))] = []byte(name)
	}
	http.HandleFunc("POST /v1/identify", to.identify)
	http.HandleFunc("POST /v1/batch", to.batch)
	listening := must(net.Listen("tcp", "127.0.0.1:0"))
	fmt.Printf("{\"event\":\"ingest.started\",\"http\":\"%s\"}\n", listening.Addr())
	log.Fatal(http.Serve(listening, nil))
}

func (to *receiver) identify(answer http.ResponseWriter, request *http.Request) {
	workspace, body, ok := to.taken(answer, request)
	if !ok {
		return
	}
	if _, failed := to.publish(workspace, [][]byte{body}); failed != 0 {
		answered(answer, failed, `{"success":false}`)
		return
	}
	answered(answer, http.StatusOK, `{"success":true}`)
}

func (to *receiver) batch(answer http.ResponseWriter, request *http.Request) {
	workspace, body, ok := to.taken(answer, request)
	if !ok {
		return
	}
	var calls struct {
		Batch []json.RawMessage `json:"batch"`
	}
	if err := json.Unmarshal(body, &calls); err != nil {
		answered(answer, http.StatusBadRequest, `{"success":false}`)
		return
	}
	bodies := make([][]byte, len(calls.Batch))
	for place, one := range calls.Batch {
		bodies[place] = one
	}
	accepted, failed := to.publish(workspace, bodies)
	if failed != 0 {
		answered(answer, failed, `{"success":false}`)
		return
	}
	answered(answer, http.StatusOK, `{"success":true,"accepted":`+strconv.Itoa(accepted)+`,"rejected":[]}`)
}

// taken returns a request's workspace and body, unless it was refused.
func (to *receiver) taken(answer http.ResponseWriter, request *http.Request) ([]byte, []byte, bool) {
	key, _, ok := request.BasicAuth()
	workspace := to.workspaces[sha256.Sum256([]byte(key))]
	if !ok || workspace == nil {
		answered(answer, http.StatusUnauthorized, `{"success":false}`)
		return nil, nil, false
	}
	body := make([]byte, 0, max(request.ContentLength, 0)+1)
	reader := http.MaxBytesReader(answer, request.Body, bodyBytes)
	for {
		count, err := reader.Read(body[len(body):cap(body)])
		body = body[:len(body)+count]
		if err == io.EOF {
			return workspace, body, true
		}
		if err != nil {
			answered(answer, http.StatusRequestEntityTooLarge, `{"success":false}`)
			return nil, nil, false
		}
		if len(body) == cap(body) {
			body = append(body, 0)[:len(body)]
		}
	}
}

// publish waits until Kafka has every event; it returns how many, or the status to refuse all of them with.
func (to *receiver) publish(workspace []byte, bodies [][]byte) (int, int) {
	now := time.Now()
	headers := []kgo.RecordHeader{
		{Key: "workspace", Value: workspace},
		{Key: "received_at", Value: strconv.AppendInt(nil, now.UnixMilli(), 10)},
	}
	records := make([]*kgo.Record, len(bodies))
	for place, body := range bodies {
		said, at, err := read(body)
		if err != nil || at.After(now.Add(ahead)) {
			return 0, http.StatusBadRequest
		}
		contact := said.contact()
		if contact == "" {
			return 0, http.StatusBadRequest
		}
		records[place] = &kgo.Record{Topic: to.topic, Key: []byte(contact), Value: body, Headers: headers}
	}
	var waiting sync.WaitGroup
	var failed atomic.Bool
	waiting.Add(len(records))
	for _, record := range records {
		to.client.Produce(context.Background(), record, func(_ *kgo.Record, err error) {
			if err != nil {
				failed.Store(true)
			}
			waiting.Done()
		})
	}
	waiting.Wait()
	if failed.Load() {
		return 0, http.StatusServiceUnavailable
	}
	return len(records), 0
}

func answered(answer http.ResponseWriter, status int, body string) {
	answer.Header().Set("Content-Type", "application/json")
	answer.WriteHeader(status)
	io.WriteString(answer, body)
}
