// The compiled contender: Go with franz-go, go-redis and go-json, as their documentation has them.
//
//	contender worker KAFKA SOURCE TARGET GROUP REDIS
//	contender shim KAFKA TARGET NAME=KEY...
package main

import (
	"log"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	log.SetFlags(0)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	go func() {
		<-stop
		os.Exit(0)
	}()
	switch words := os.Args[2:]; os.Args[1] {
	case "worker":
		worker(words[0], words[1], words[2], words[3], words[4])
	case "shim":
		shim(words[0], words[1], words[2:])
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
