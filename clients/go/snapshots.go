package rerankd

import "time"

// snapshots says when the running ranking is due.
type snapshots struct {
	interval time.Duration
	last     time.Time
	// pending means that the ranking is another one than in the last snapshot.
	pending bool
	timer   *time.Timer
}

// changed notes that the ranking has changed and tells whether a snapshot is due at once.
func (s *snapshots) changed() bool {
	wait := time.Duration(0)
	if !s.last.IsZero() {
		wait = time.Until(s.last.Add(s.interval))
	}
	if wait > 0 && !s.pending {
		s.timer = time.NewTimer(wait)
	}
	s.pending = true
	return wait <= 0
}

// due gives the instant at which a snapshot is to be made; nil, which never comes, without a change.
func (s *snapshots) due() <-chan time.Time {
	if !s.pending {
		return nil
	}
	return s.timer.C
}

// taken notes that a snapshot is made now.
func (s *snapshots) taken(now time.Time) {
	if s.timer != nil {
		s.timer.Stop()
	}
	s.pending, s.last = false, now
}
