package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/goccy/go-json"
	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	batchSize = 10_000 // records of a transaction, as the others have
	batchTime = 100 * time.Millisecond
	keyTime   = 8 * 24 * time.Hour
)

type result struct {
	Day         string `json:"day"`
	Timestamp   string `json:"timestamp"`
	Description string `json:"description"`
}

type candidate struct {
	record *kgo.Record
	event  *event
	day    string
	owner  string
}

// worker lets the first event of a contact's day pass, exactly once: the key's owner is a record, a batch is one transaction.
// The contact is the record's key; a record without one is refused.
func worker(kafka, source, target, group, store string) {
	ctx := context.Background()
	session := must(kgo.NewGroupTransactSession(
		kgo.SeedBrokers(kafka),
		kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(source),
		kgo.TransactionalID(group),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.RequireStableFetchOffsets(),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		kgo.OnPartitionsAssigned(func(context.Context, *kgo.Client, map[string][]int32) { fmt.Println("assigned") }),
	))
	options := must(redis.ParseURL(store))
	client := redis.NewClient(options)
	for {
		records := poll(ctx, session)
		if len(records) == 0 {
			continue
		}
		if err := session.Begin(); err != nil {
			panic(err)
		}
		for _, one := range firsts(ctx, client, group, records) {
			value := must(json.Marshal(result{one.day, *one.event.Timestamp, one.event.description()}))
			session.Produce(ctx, &kgo.Record{Topic: target, Partition: one.record.Partition, Key: one.record.Key, Value: value}, nil)
		}
		if !must(session.End(ctx, kgo.TryCommit)) {
			panic("a transaction was aborted")
		}
	}
}

// poll returns up to batchSize records, what there is within batchTime.
func poll(ctx context.Context, session *kgo.GroupTransactSession) []*kgo.Record {
	var records []*kgo.Record
	within, cancel := context.WithTimeout(ctx, batchTime)
	defer cancel()
	for len(records) < batchSize && within.Err() == nil {
		fetches := session.PollRecords(within, batchSize-len(records))
		if err := fetches.Err(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			panic(err)
		}
		records = append(records, fetches.Records()...)
	}
	return records
}

// firsts returns what of a batch was the first of its contact's day, or has claimed it before.
func firsts(ctx context.Context, client *redis.Client, group string, records []*kgo.Record) []candidate {
	seen := make(map[string]struct{}, len(records))
	found := make([]candidate, 0, len(records))
	pipeline := client.Pipeline()
	for _, record := range records {
		said, at, err := read(record.Value)
		if err != nil || record.Key == nil {
			continue
		}
		day := at.Format(time.DateOnly)
		key := group + ":" + string(record.Key) + ":" + day
		if _, again := seen[key]; again {
			continue
		}
		seen[key] = struct{}{}
		owner := fmt.Sprintf("%d:%d", record.Partition, record.Offset)
		found = append(found, candidate{record, said, day, owner})
		pipeline.SetArgs(ctx, key, owner, redis.SetArgs{Mode: "NX", Get: true, TTL: keyTime})
	}
	if len(found) == 0 {
		return nil
	}
	answers, err := pipeline.Exec(ctx)
	if err != nil && !errors.Is(err, redis.Nil) {
		panic(err)
	}
	kept := found[:0]
	for place, one := range found {
		holder, err := answers[place].(*redis.StatusCmd).Result()
		if errors.Is(err, redis.Nil) || holder == one.owner {
			kept = append(kept, one)
		} else if err != nil {
			panic(err)
		}
	}
	return kept
}
