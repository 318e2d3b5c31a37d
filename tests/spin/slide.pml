/* A reader that slides: a ring of two events, its journal, a recorder that may be killed, and its
   successor. The reader copies in the ring and checks, as room.pml has it; here it is what
   becomes of it when it was lapped. Each event is delivered, as it was published, or told as gone,
   in order and once. Joining, gates and the write limit are atomic: joining.pml and room.pml have
   their steps.

   configuration steady: EVENTS=5
   configuration killed: EVENTS=5 DEATHS=1
   configuration killed_twice: EVENTS=4 DEATHS=2
   configuration drops: EVENTS=5 DROPS=1
   configuration gives_up: EVENTS=5 RETAINS=1
   configuration held: EVENTS=5 DEATHS=2 HOLD
   configuration held_alone: EVENTS=5 DEATHS=1 HOLD NOBODY_COMES

   mutation CHECK_BEFORE_COPY in steady: event_is_wrong
   mutation JUMP_INSTEAD_OF_JOURNAL in steady: event_is_lost
   mutation GAP_BY_IMPATIENCE in steady: kept_event_is_called_gone
   mutation NO_SECOND_LOOK in killed: kept_event_is_called_gone
   mutation NO_LOOK_AT_THE_ROLE in killed_twice: kept_event_is_called_gone
   mutation RELEASED_BEFORE_WRITTEN in steady: covered_event_is_nowhere
   mutation RETENTION_IS_SILENT in gives_up: event_is_lost
   mutation GAPS_ARE_TOLD_UNASKED in drops: readable_event_is_called_gone
   mutation HOLD_IS_IGNORED in held: unrecorded_event_is_lost
   mutation HOLD_MOVES_BEFORE_WRITTEN in held: unrecorded_event_is_lost
   mutation HOLD_GOES_WITH_THE_RECORDER in held_alone: unrecorded_event_is_lost
*/
#include "parts.pml"

#define PLACES 2
#ifndef DEATHS
#define DEATHS 0
#endif

#define ABSENT 0
#define EVENT 1
#define GAP 2

#define IN_RING 0
#define IN_JOURNAL 1

/* The ring. Place s mod PLACES holds s + 1 once event s was written there. */
byte ring[PLACES];
byte tail;
byte limit;             /* no event at or beyond it has been or is being written */
byte gate;              /* of the recorder, which runs from the beginning */
#ifdef HOLD
byte hold;              /* the journal has all below, whether or not a recorder lives */
#endif
#if defined(HOLD) && !defined(HOLD_IS_IGNORED)
#define IS_HELD(s) ((s) >= hold + PLACES)
#else
#define IS_HELD(s) false
#endif
#define OLDEST (limit > PLACES -> limit - PLACES : 0)
#define IS_LAPPED(s) ((s) + PLACES < limit)

byte checkpoint;        /* the oldest place that anybody can find; it never goes back */

/* Places are known for some events only, so the oldest may be one more than what is there. */
inline find_oldest(place) {
    atomic {
        checkpoint = (checkpoint > OLDEST -> checkpoint : OLDEST);
        if
        :: checkpoint == OLDEST && checkpoint < tail -> checkpoint++
        :: true
        fi;
        place = checkpoint
    }
}

/* The journal, and what the ring's board says of it. */
byte journal[EVENTS];
byte first;             /* what is below was given up by retention */
byte written;
byte listed_first = NONE, listed_end;
bool is_recording = true; /* the role's lock is held */
byte deaths = DEATHS;

/* The reader. */
bool told[EVENTS];

hidden byte event_is_wrong = 1;
hidden byte event_is_lost = 1;
hidden byte kept_event_is_called_gone = 1;
hidden byte covered_event_is_nowhere = 1;
hidden byte readable_event_is_called_gone = 1;
hidden byte unrecorded_event_is_lost = 1;

/* What the journal lacks the ring may have. */
#ifdef GAPS_ARE_TOLD_UNASKED
#define ASKS_RING false
#else
#define ASKS_RING true
#endif

proctype publisher() {
#ifdef NOBODY_COMES
end_held:
#endif
    do
    :: tail == EVENTS -> break
    :: atomic { tail < EVENTS && (gate == NONE || tail < gate + PLACES) && !IS_HELD(tail) ->
                limit = tail + 1 }
       ring[tail % PLACES] = tail + 1;
       tail++
    od
}

/* One life after the other, as long as somebody was killed. */
proctype recorder() {
    bool is_mortal = true;
    byte at;
    byte until;
    byte taken;
#ifdef DROPS
    byte drops = DROPS;
#endif
lives:
    is_recording = true;
    at = written;
    atomic { /* held behind the look at the journal's end; joining.pml */
        if
        :: IS_LAPPED(at) -> find_oldest(at)
        :: else
        fi;
        gate = at
    }
    until = at;
#ifdef HOLD
    STEP(hold = (written < until -> hold : at));
#endif
missed:
    if
    :: written < until ->
#ifdef HOLD
        FORBID(unrecorded_event_is_lost, true);
#endif
        STEP(listed_first = written; listed_end = until);
        /* The header of one batch states all of it. */
        atomic {
            if
            :: is_mortal && deaths > 0 -> deaths--; goto dies
            :: true
            fi;
            do
            :: written < until -> journal[written] = GAP; written++
            :: else -> break
            od
        }
    :: else
    fi;
    do
    :: written == EVENTS -> break
#ifdef DROPS
    :: atomic { drops > 0 && written < EVENTS && tail >= written + PLACES ->
        drops--;
        until = tail;
        gate = tail
       }
       goto missed
#endif
    :: written < EVENTS && written < tail ->
        taken = ring[written % PLACES];
#ifdef HOLD_MOVES_BEFORE_WRITTEN
        hold = written + 1;
#endif
#ifdef RELEASED_BEFORE_WRITTEN
        gate = written + 1;
#endif
        atomic {
            FORBID(event_is_wrong, taken != written + 1);
            FORBID(kept_event_is_called_gone, told[written]);
            if
            :: journal[written] = EVENT; written++
            :: is_mortal && deaths > 0 -> deaths--; goto dies
            fi
        }
#ifdef HOLD
        STEP(hold = written);
#endif
        STEP(gate = written)
#ifdef RETAINS
    :: first < written && first < RETAINS -> first++
#endif
    od;
    atomic { gate = NONE; is_recording = false };
    goto gone;
dies:
    atomic { gate = NONE; is_recording = false };
#ifdef HOLD_GOES_WITH_THE_RECORDER
    hold = NONE - PLACES;
#endif
    if
    :: goto lives   /* its successor */
#if !defined(HOLD) || defined(NOBODY_COMES)
    :: true         /* nobody comes */
#endif
    fi;
gone:
    skip
}

/* One event that neither has, told. */
inline tell(sequence) {
    FORBID(kept_event_is_called_gone, journal[sequence] == EVENT && sequence >= first);
#ifdef HOLD
    FORBID(unrecorded_event_is_lost, true);
#endif
    told[sequence] = true
}

proctype reader() {
    byte s;
    byte source = IN_RING;
    byte copy;
    byte until;
    bool was_lapped;
    byte accounted;     /* delivered or told: all below s */
#ifdef NOBODY_COMES
end_at_the_tail:
#endif
    do
    :: s == EVENTS -> break
    :: s < EVENTS && source == IN_RING && s < tail ->
#ifdef CHECK_BEFORE_COPY
        was_lapped = IS_LAPPED(s);
        copy = ring[s % PLACES];
#else
        copy = ring[s % PLACES];
        was_lapped = IS_LAPPED(s);
#endif
        if
#ifdef JUMP_INSTEAD_OF_JOURNAL
        :: was_lapped -> s = OLDEST
#else
        :: was_lapped -> source = IN_JOURNAL
#endif
        :: else ->
            atomic {
                FORBID(event_is_wrong, copy != s + 1);
                FORBID(event_is_lost, accounted != s);
                s++; accounted++
            }
        fi;
        copy = 0; was_lapped = false
    :: s < EVENTS && source == IN_JOURNAL ->
        if
        :: atomic { s < first && ASKS_RING && !IS_LAPPED(s) -> source = IN_RING }
        :: atomic { s < first && (!ASKS_RING || IS_LAPPED(s)) ->
#ifdef RETENTION_IS_SILENT
            s = first
#else
            FORBID(readable_event_is_called_gone, !IS_LAPPED(s));
            told[s] = true; s++; accounted++
#endif
           }
        :: atomic { s >= first && s < written && journal[s] == EVENT ->
            FORBID(event_is_lost, accounted != s);
            s++; accounted++
           }
        :: atomic { s >= first && s < written && journal[s] == GAP && ASKS_RING && !IS_LAPPED(s) ->
            source = IN_RING
           }
        :: atomic { s >= first && s < written && journal[s] == GAP &&
                    (!ASKS_RING || IS_LAPPED(s)) ->
            FORBID(readable_event_is_called_gone, !IS_LAPPED(s));
            tell(s);
            s++; accounted++
           }
        :: s >= first && s >= written ->
            /* The end of what is written. Behind that look, at the ring. */
            if
            :: atomic { !IS_LAPPED(s) -> source = IN_RING }
            :: atomic { IS_LAPPED(s) && listed_first <= s && s < listed_end ->
                do
                :: s < listed_end -> tell(s); s++; accounted++
                :: else -> break
                od
               }
            :: atomic { IS_LAPPED(s) && !(listed_first <= s && s < listed_end) && is_recording ->
#if DEATHS == 0 && !defined(DROPS)
                FORBID(covered_event_is_nowhere, s >= written);
#endif
                skip
               }
#ifdef GAP_BY_IMPATIENCE
            :: IS_LAPPED(s) && is_recording ->
                goto give_up
#endif
            :: IS_LAPPED(s) && !is_recording ->
give_up:
                /* In this order. A recorder that came and went before the second line has written
                   what it had by the third; one that comes behind the second begins no earlier
                   than what is the oldest in the first. */
                find_oldest(until);
#if !defined(NO_LOOK_AT_THE_ROLE) && !defined(GAP_BY_IMPATIENCE)
                if
                :: is_recording -> goto again
                :: !is_recording
                fi;
#endif
#if !defined(NO_SECOND_LOOK) && !defined(GAP_BY_IMPATIENCE)
                if
                :: s < written -> goto again
                :: s >= written
                fi;
#endif
                atomic {
                    do
                    :: s < until -> tell(s); s++; accounted++
                    :: else -> break
                    od;
                    source = IN_RING
                }
            fi
        fi;
again:
        until = 0
    od
}

init {
    atomic {
        run publisher();
        run recorder();
        run reader()
    }
}
