package main

import (
	"errors"
	"strings"
	"time"

	"github.com/goccy/go-json"
)

// What an identify says; go-json matches names in any case, as encoding/json does.
type page struct {
	URL string `json:"url"`
}

type traits struct {
	Email any `json:"email"`
}

type event struct {
	Type              string  `json:"type"`
	Timestamp         *string `json:"timestamp"`
	OriginalTimestamp *string `json:"originalTimestamp"`
	Event             string  `json:"event"`
	URL               string  `json:"url"`
	Email             any     `json:"email"`
	Traits            traits  `json:"traits"`
	Page              page    `json:"page"`
	Context           struct {
		Traits traits `json:"traits"`
		Page   page   `json:"page"`
	} `json:"context"`
}

var errRefused = errors.New("no identify with a time")

// read decodes an event and tells its time.
func read(body []byte) (*event, time.Time, error) {
	found := new(event)
	if err := json.Unmarshal(body, found); err != nil {
		return nil, time.Time{}, err
	}
	if found.Timestamp == nil {
		found.Timestamp = found.OriginalTimestamp
	}
	if found.Timestamp == nil || !strings.EqualFold(found.Type, "identify") {
		return nil, time.Time{}, errRefused
	}
	at, err := time.Parse(time.RFC3339Nano, *found.Timestamp)
	if err != nil {
		return nil, time.Time{}, err
	}
	return found, at.UTC(), nil
}

// contact returns the e-mail address, of the first of its places that has one; empty without any.
func (e *event) contact() string {
	for _, said := range [...]any{e.Traits.Email, e.Context.Traits.Email, e.Email} {
		if text, ok := said.(string); ok {
			address := strings.ToLower(strings.TrimSpace(text))
			if at := strings.IndexByte(address, '@'); at > 0 && at < len(address)-1 && !strings.Contains(address, " ") {
				return address
			}
		}
	}
	return ""
}

func (e *event) description() string {
	for _, said := range [...]string{e.Event, e.Page.URL, e.Context.Page.URL, e.URL} {
		if said != "" {
			return said
		}
	}
	return "Contact visited your website"
}
