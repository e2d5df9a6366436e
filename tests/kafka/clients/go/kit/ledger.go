package kit

import (
	"slices"
	"sync"
	"time"
)

// Ledger counts what was acknowledged and where each record was seen. A record that the group was given twice from one
// offset is a redelivery, which groups allow; a record at two offsets was stored twice, which idempotence forbids.
type Ledger struct {
	mutex       sync.Mutex
	acked       map[int]bool
	failed      map[int]string
	places      map[int]map[place]bool
	redelivered int
	changed     time.Time
}

type place struct {
	partition int32
	offset    int64
}

// Traffic is the report of the scenario of that name.
type Traffic struct {
	Acked       int      `json:"acked"`
	Received    int      `json:"received"`
	Missing     []int    `json:"missing"`
	Duplicates  []int    `json:"duplicates"`
	Failed      []string `json:"failed"`
	Redelivered int      `json:"redelivered"`
}

// NewLedger returns an empty one.
func NewLedger() *Ledger {
	return &Ledger{
		acked:   map[int]bool{},
		failed:  map[int]string{},
		places:  map[int]map[place]bool{},
		changed: time.Now(),
	}
}

// Acked notes that the brokers took a record.
func (l *Ledger) Acked(number int) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.acked[number] = true
	l.changed = time.Now()
}

// Failed notes that the library gave a record up.
func (l *Ledger) Failed(number int, err error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.failed[number] = err.Error()
}

// Received notes that a record came back from a place in the log.
func (l *Ledger) Received(number int, partition int32, offset int64) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	places := l.places[number]
	if places == nil {
		places = map[place]bool{}
		l.places[number] = places
	}
	if places[place{partition, offset}] {
		l.redelivered++
	}
	places[place{partition, offset}] = true
	l.changed = time.Now()
}

// Counts returns how many records were acknowledged and how many came back.
func (l *Ledger) Counts() (acked, received int) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return len(l.acked), len(l.places)
}

// WaitForAll returns when all acknowledged records came back, or when nothing has moved for as long as Patience.
func (l *Ledger) WaitForAll() {
	for {
		l.mutex.Lock()
		missing, still := len(l.missing()), time.Since(l.changed)
		l.mutex.Unlock()
		if missing == 0 || still > Patience {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// ReportProgress prints a line each second until the program ends.
func (l *Ledger) ReportProgress() {
	for range time.Tick(time.Second) {
		acked, received := l.Counts()
		Report(map[string]any{"progress": map[string]int{"acked": acked, "received": received}})
	}
}

// Report returns the sums.
func (l *Ledger) Report() Traffic {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	report := Traffic{
		Acked:       len(l.acked),
		Received:    len(l.places),
		Missing:     l.missing(),
		Duplicates:  []int{},
		Failed:      []string{},
		Redelivered: l.redelivered,
	}
	for number, places := range l.places {
		if len(places) > 1 {
			report.Duplicates = append(report.Duplicates, number)
		}
	}
	for _, reason := range l.failed {
		report.Failed = append(report.Failed, reason)
	}
	slices.Sort(report.Duplicates)
	slices.Sort(report.Failed)
	report.Missing = first(report.Missing)
	report.Duplicates = first(report.Duplicates)
	report.Failed = first(report.Failed)
	return report
}

func (l *Ledger) missing() []int {
	missing := []int{}
	for number := range l.acked {
		if len(l.places[number]) == 0 {
			missing = append(missing, number)
		}
	}
	slices.Sort(missing)
	return missing
}

func first[T any](all []T) []T { return all[:min(len(all), 20)] }
