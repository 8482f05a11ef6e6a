package rerankd

import (
	"errors"
	"math/rand/v2"
	"time"
)

const (
	firstDelay   = 100 * time.Millisecond
	longestDelay = 5 * time.Second
	jitter       = 0.2

	// A stream that never got a score gives up as early as a unary call, so that a wrong address shows soon.
	attemptsBeforeAnyScore = 3
)

// resumePolicy counts attempts in a row that brought no score. A document that the server leaves unscored
// counts as scored.
type resumePolicy struct {
	attempts   int
	inVain     int
	progressed bool
	anyScore   bool
	resumes    int
}

// answered notes that the current attempt brought a score.
func (p *resumePolicy) answered() { p.progressed, p.anyScore = true, true }

// delayAfter gives the pause before the next attempt; false means to give up.
func (p *resumePolicy) delayAfter(failure *Error) (time.Duration, bool) {
	if p.progressed {
		p.inVain = 0
	} else {
		p.inVain++
	}
	p.progressed = false
	most := p.attempts
	if !p.anyScore {
		most = min(most, attemptsBeforeAnyScore)
	}
	if !interrupts(failure) || p.inVain >= most {
		return 0, false
	}
	// The shift is bounded because a long row of attempts would overflow it.
	delay := min(longestDelay, firstDelay<<min(p.inVain, 10))
	jittered := time.Duration(float64(delay) * (1 - jitter + 2*jitter*rand.Float64()))
	return max(jittered, failure.RetryAfter), true
}

// interrupts tells whether a failure says nothing of the stream itself. A server whose core is being stopped
// answers Canceled to what still reaches it.
func interrupts(failure *Error) bool {
	return errors.Is(failure, ErrUnavailable) || errors.Is(failure, ErrCancelled)
}
