/* A reader joins while publishers ask for room, claim and commit (edge gate_registered), on memory
   with store buffers: who asks against the gate, and where the reader begins beside open claims.
   The ring holds CAPACITY events; every event has one unit, so a sequence is a place.

   configuration newest: NEWEST TOTAL_ORDER
   configuration oldest: OLDEST TOTAL_ORDER
   configuration beside: BESIDE TOTAL_ORDER

   mutation GATE_IS_A_PLAIN_STORE in oldest: gated_event_is_overwritten
   mutation ASKING_IS_A_PLAIN_STORE in oldest: gated_event_is_overwritten
   mutation GATES_BEFORE_ASKING in oldest: gated_event_is_overwritten
   mutation ASKING_ENDS_BEFORE_LIMIT in oldest: gated_event_is_overwritten
   mutation NO_LOOK_AT_THE_LIMIT in oldest: gated_event_is_overwritten
   mutation LIMIT_BEFORE_ASKERS in oldest: gated_event_is_overwritten
   mutation ASKERS_ARENT_AWAITED in oldest: gated_event_is_overwritten
   mutation LIMIT_SAYS_WHAT_IS_ASKED in beside: held_event_is_called_gone
   mutation NOTES_ARENT_LOOKED_AT in newest: open_claim_is_passed_over
   mutation NOTES_BEFORE_TAIL in newest: open_claim_is_passed_over
   mutation STAMP_ISNT_LOOKED_AT in newest: committed_event_comes_again
   mutation OPEN_CHECKPOINT_IS_SKIPPED in oldest: open_claim_is_passed_over
   mutation NO_THIRD_LOOK in oldest: event_is_passed_over
*/

#define PROCESSES 3
#define VARIABLES 8
#define LIMIT 0
#define GATE 1
#define ASKED(publisher) (2 + (publisher))
#define NOTE(publisher) (4 + (publisher))
#define STAMP(place) (6 + (place) % CAPACITY)
#define NOTHING 15

#include "parts.pml"
#include "store_buffer.pml"

hidden byte gated_event_is_overwritten = 1;
hidden byte open_claim_is_overwritten = 1;
hidden byte open_claim_is_passed_over = 1;
hidden byte event_is_passed_over = 1;
hidden byte committed_event_comes_again = 1;
hidden byte held_event_is_called_gone = 1;

#define CAPACITY 2
#define END 3 /* publishers go on until this many events were claimed */
#define READER 2
#define IS_THERE(place) (memory[STAMP(place)] == (place) + 1)

byte tail;
byte held = NOTHING; /* truth: the oldest event that the reader may have in its hand */
byte was_there;      /* truth: how many events every reader could see when this one began */

/* Two publishers claim, one event at a time, and ask for room one event at a time. */
proctype publisher(byte me) {
    byte own_limit, slowest, place, seen_gate, seen_note;
again:
    if
    :: atomic { tail < END -> place = tail }
    :: atomic { tail >= END -> goto done }
    fi;
    if
    :: place < own_limit -> goto claims
    :: else
    fi;
#ifdef GATES_BEFORE_ASKING
    atomic { seen_gate = LOAD(GATE) }
#endif
#ifdef ASKING_IS_A_PLAIN_STORE
    STORE(me, ASKED(me), place + 1);
#else
    atomic { IS_DRAINED(me) -> memory[ASKED(me)] = place + 1 }
#endif
#ifdef LIMIT_SAYS_WHAT_IS_ASKED
    atomic { IS_DRAINED(me) -> memory[LIMIT] = (LOAD(LIMIT) < place + 1 -> place + 1 : LOAD(LIMIT)) }
#endif
#ifndef GATES_BEFORE_ASKING
    atomic { seen_gate = LOAD(GATE) }
#endif
    atomic { seen_note = LOAD(NOTE(1 - me));
        slowest = (seen_gate < place -> seen_gate : place);
        slowest = (seen_note < slowest -> seen_note : slowest);
#ifdef BESIDE
        slowest = 0 /* somebody has held the first place all the time */
#endif
    }
    if
    :: slowest + CAPACITY > place ->
#ifdef ASKING_ENDS_BEFORE_LIMIT
        STORE(me, ASKED(me), 0);
#endif
        atomic { IS_DRAINED(me) ->
            memory[LIMIT] = (LOAD(LIMIT) < place + 1 -> place + 1 : LOAD(LIMIT));
            own_limit = place + 1 }
        STORE(me, ASKED(me), 0)
    :: else ->
        STORE(me, ASKED(me), 0);
#ifdef BESIDE
        goto done
#else
        LOAD(GATE) != seen_gate || LOAD(NOTE(1 - me)) != seen_note /* waits for room */
#endif
    fi;
    atomic { slowest = 0; place = 0; seen_gate = 0; seen_note = 0 }
    goto again;
claims:
    STORE(me, NOTE(me), place);
    if
    :: atomic { IS_DRAINED(me) && tail == place -> tail++ }
    :: atomic { IS_DRAINED(me) && tail != place -> place = 0 }
        STORE(me, NOTE(me), NOTHING);
        goto again
    fi;
    /* the write itself */
    atomic {
        FORBID(gated_event_is_overwritten, held != NOTHING && place >= held + CAPACITY);
        FORBID(open_claim_is_overwritten, place >= CAPACITY && !IS_THERE(place - CAPACITY))
    }
    STORE(me, STAMP(place), place + 1);
    STORE(me, NOTE(me), NOTHING);
    atomic { place = 0 }
    goto again;
done:
    skip
}

#define IS_NOTED(place) (LOAD(NOTE(0)) == place || LOAD(NOTE(1)) == place)

/* for_each_open_claim: an open claim below `end` before `begin` becomes the place to begin. */
inline look_at_notes(end) {
    slot = 0;
    do
    :: atomic { slot < 2 -> note = LOAD(NOTE(slot)) }
        if
        :: note < end && note < begin ->
            if
#ifdef STAMP_ISNT_LOOKED_AT
            :: atomic { true -> skip }
#else
            :: atomic { LOAD(STAMP(note)) != note + 1 -> skip }
#endif
                if
                :: atomic { note + CAPACITY >= LOAD(LIMIT) -> begin = note }
                :: else
                fi
            :: else
            fi
        :: else
        fi;
        atomic { slot++; note = 0 }
    :: else -> break
    od;
    slot = 0
}

proctype reader() {
    byte begin, end, note, limit, asked, slot;
    bool is_known;
begins:
    atomic {
        was_there = 0;
        do
        :: was_there < tail && memory[STAMP(was_there)] >= was_there + 1 -> was_there++
        :: else -> break
        od
    }
#ifdef NEWEST
    /* next_place */
#ifdef NOTES_BEFORE_TAIL
    atomic { begin = NOTHING }
    look_at_notes(NOTHING);
    atomic { end = tail; begin = (begin < end -> begin : end) }
#else
    atomic { end = tail; begin = end }
#ifndef NOTES_ARENT_LOOKED_AT
    look_at_notes(end);
#endif
#endif
#else
    /* oldest_checkpoint: every place is one. */
    atomic { begin = (LOAD(LIMIT) > CAPACITY -> LOAD(LIMIT) - CAPACITY : 0); end = tail }
    do
    :: begin >= end -> break
    :: begin < end ->
        atomic { is_known = (LOAD(STAMP(begin)) == begin + 1) }
#ifndef OPEN_CHECKPOINT_IS_SKIPPED
        if
        :: !is_known -> atomic { is_known = LOAD(NOTE(0)) == begin }
            if
            :: !is_known -> atomic { is_known = LOAD(NOTE(1)) == begin }
            :: else
            fi
        :: else
        fi;
#ifndef NO_THIRD_LOOK
        if
        :: !is_known -> atomic { is_known = (LOAD(STAMP(begin)) == begin + 1) }
        :: else
        fi;
#endif
#endif
        if
        :: is_known -> break
        :: else -> begin++
        fi
    od;
    is_known = false;
#endif
    /* hold */
#ifdef LIMIT_BEFORE_ASKERS
    atomic { limit = LOAD(LIMIT) }
#endif
#ifdef GATE_IS_A_PLAIN_STORE
    STORE(READER, GATE, begin);
#else
    atomic { IS_DRAINED(READER) -> memory[GATE] = begin }
#endif
#ifndef ASKERS_ARENT_AWAITED
    do
    :: atomic { slot < 2 -> asked = LOAD(ASKED(slot)) }
        if
        :: asked > begin + CAPACITY -> LOAD(ASKED(slot)) != asked
        :: else
        fi;
        atomic { slot++; asked = 0 }
    :: else -> break
    od;
    slot = 0;
#endif
#ifdef NO_LOOK_AT_THE_LIMIT
    atomic { limit = 0 }
#elif !defined(LIMIT_BEFORE_ASKERS)
    atomic { limit = LOAD(LIMIT) }
#endif
    if
    :: atomic { begin + CAPACITY >= limit -> held = begin; limit = 0; end = 0 }
    :: else ->
        atomic {
            FORBID(held_event_is_called_gone, begin >= memory[LIMIT] - CAPACITY);
#ifdef BESIDE
            FORBID(held_event_is_called_gone, true);
#endif
            begin = 0;
            limit = 0;
            end = 0
        }
        goto begins
    fi;
    atomic {
        /* Whatever comes below where it began is never handed over. */
        slot = 0;
        do
        :: slot < begin ->
            FORBID(open_claim_is_passed_over, memory[STAMP(slot)] < slot + 1);
            slot++
        :: else -> break
        od;
        slot = 0;
#ifdef NEWEST
        FORBID(committed_event_comes_again, begin < was_there);
#else
        FORBID(event_is_passed_over, begin > 0 && memory[LIMIT] <= CAPACITY);
#endif
    }
    /* Reads on; the gate moves behind what was read. */
#ifdef BESIDE
    goto ended;
#endif
    do
    :: atomic { begin < END && IS_THERE(begin) -> begin++; held = begin }
        STORE(READER, GATE, begin)
    :: begin >= END -> break
    od;
ended:
    skip
}

init {
    atomic {
        memory[GATE] = NOTHING;
        memory[NOTE(0)] = NOTHING;
        memory[NOTE(1)] = NOTHING;
        run publisher(0);
        run publisher(1);
        run reader()
    }
}
