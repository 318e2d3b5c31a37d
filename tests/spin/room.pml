/* Lapping: a ring of CAPACITY events of one size, whose places are positions modulo CAPACITY. The
   write limit, gates, open claims, a copying reader that is lapped, and dead notes that are a lap
   old. Every event has one unit, so a sequence is a place.

   configuration gate: GATE
   configuration copy: COPY
   configuration rescuers: GATE TWO_RESCUERS

   mutation LIMIT_RAISED_AFTER_THE_WRITE in copy: event_is_half_written
   mutation CHECK_BEFORE_COPY in copy: event_is_half_written
   mutation GATE_IGNORED in gate: gated_event_is_overwritten
   mutation GATE_MOVED_BEFORE_READING in gate: gated_event_is_overwritten
   mutation NOTES_IGNORED in copy: open_claim_is_overwritten
   mutation NOTE_KEPT_WHILE_WAITING in rescuers: deadlock
   mutation DEAD_HOLDER_ISNT_LOOKED_AT in copy: deadlock
   mutation STALE_NOTE_IS_RESCUED in copy: later_lap_is_overwritten
   mutation STALE_NOTE_IS_READ in copy: event_is_lost
   mutation READER_WRITES_TOMBSTONE in copy: later_lap_is_overwritten
   mutation RESCUE_BEFORE_PROOF in copy: living_publisher_is_passed
   mutation RESCUE_WITHOUT_LOCK in rescuers: later_lap_is_overwritten
   mutation NOTE_CLEARED_BEFORE_TOMBSTONE in rescuers: later_lap_is_overwritten
*/

#include "parts.pml"

hidden byte event_is_half_written = 1;
hidden byte event_is_lost = 1;
hidden byte gated_event_is_overwritten = 1;
hidden byte open_claim_is_overwritten = 1;
hidden byte later_lap_is_overwritten = 1;
hidden byte living_publisher_is_passed = 1;
hidden byte reader_is_stuck = 1;

#define CAPACITY 2
#define PUBLISHERS 3
#define PLACES 8
#define NOBODY 7
#define READER 6

byte tail;
byte write_limit;
byte gate = NONE;
byte note[PUBLISHERS] = NONE;
bool is_active[PUBLISHERS];
bool is_alive[PUBLISHERS];
byte registry = NONE;
byte stamp[CAPACITY];    /* place + 1 */
byte payload[CAPACITY];  /* place + 1, 0 in a tombstone */

/* The truth. */
byte held = NONE;        /* what the gating reader may have in its hand */
byte owner[PLACES];      /* 1 + who won the place */
bool is_committed_event[PLACES];
byte deaths = 1;
byte at_work;

#define AT(place) ((place) % CAPACITY)

/* Whatever is written at a place, by whom it may be. */
inline check_write(place) {
    FORBID(gated_event_is_overwritten, held != NONE && place >= held + CAPACITY);
    FORBID(later_lap_is_overwritten,
           stamp[AT(place)] > place + 1 || payload[AT(place)] > place + 1);
    FORBID(open_claim_is_overwritten,
           place >= CAPACITY && !is_committed_event[place - CAPACITY] &&
           owner[place - CAPACITY] != 0 && owner[place - CAPACITY] != NOBODY)
}

#define EXAMINE_LOCALS byte x_slot; bool x_open, x_dead, x_believes_stale

/* examine_hole for events of one size: x_dead. */
inline examine(place) {
    atomic {
        x_open = false;
        x_dead = false;
        x_slot = (tail > place -> 0 : PUBLISHERS)
    }
    do
    :: atomic { x_slot < PUBLISHERS ->
        if
        :: note[x_slot] == place && is_active[x_slot] ->
            if
#ifndef RESCUE_BEFORE_PROOF
            :: is_alive[x_slot] -> x_open = true
            :: else -> x_dead = true
#else
            :: true -> x_dead = true
#endif
            fi
        :: else
        fi;
        x_slot++ }
    :: else -> break
    od;
    atomic {
        x_slot = 0;
        if
        :: x_open || stamp[AT(place)] == place + 1 -> x_dead = false
        :: else
        fi;
        x_open = false
    }
    atomic { /* was_overtaken */
        if
        :: tail > place + CAPACITY && !x_believes_stale -> x_dead = false
        :: else
        fi
    }
}

/* clear_dead_publisher for the slot that holds this publisher up. */
inline rescue(slot) {
#ifdef RESCUE_WITHOUT_LOCK
    r_has_lock = true;
#else
    atomic {
        if
        :: registry == NONE -> registry = me; r_has_lock = true
        :: else
        fi
    }
#endif
    if
    :: atomic {
        r_has_lock && is_active[slot] && (!is_alive[slot]
#ifdef RESCUE_BEFORE_PROOF
        || true
#endif
        ) -> r_place = note[slot] }
        if
        :: atomic { r_place == NONE || tail <= r_place || stamp[AT(r_place)] == r_place + 1 -> skip }
#ifndef STALE_NOTE_IS_RESCUED
        :: atomic { r_place != NONE && tail > r_place + CAPACITY -> skip }
#endif
        :: atomic { else -> skip }
            examine(r_place);
            if
            :: atomic { x_dead -> x_dead = false }
#ifdef NOTE_CLEARED_BEFORE_TOMBSTONE
                atomic { note[slot] = NONE; owner[r_place] = NOBODY }
#endif
                atomic {
                    FORBID(later_lap_is_overwritten, stamp[AT(r_place)] > r_place + 1 ||
                                                     payload[AT(r_place)] > r_place + 1);
                    FORBID(open_claim_is_overwritten,
                           owner[r_place] == 0 ||
                           (owner[r_place] != NOBODY && is_alive[owner[r_place] - 1]));
                    payload[AT(r_place)] = 0;
                    stamp[AT(r_place)] = r_place + 1;
                    owner[r_place] = NOBODY
                }
            :: atomic { else -> r_has_lock = false } /* can't be told yet */
            fi
        fi;
        if
        :: atomic { r_has_lock -> note[slot] = NONE }
            atomic { is_active[slot] = false }
        :: else
        fi
    :: else
    fi;
    atomic {
        if
        :: registry == me -> registry = NONE
        :: else
        fi;
        r_has_lock = false;
        r_place = 0
    }
}

proctype publisher(byte me; bool is_mortal; byte claims) {
    EXAMINE_LOCALS;
    byte place, own_limit, slowest, holder, slot, seen, r_place;
    bool is_noted, r_has_lock;
#ifdef STALE_NOTE_IS_RESCUED
    x_believes_stale = true;
#endif
claims_next:
    if
    :: claims == 0 -> goto done
    :: else -> claims--
    fi;
again:
    STEP(true -> place = tail);
#ifndef NOTE_KEPT_WHILE_WAITING
    if
    :: is_noted -> STEP(true -> note[me] = NONE; is_noted = false)
    :: else
    fi;
#endif
    if
    :: place + 1 > own_limit -> /* make_room */
        atomic { slowest = place; holder = NOBODY; slot = 0 }
#ifndef GATE_IGNORED
        STEP(true ->
            if
            :: gate < slowest -> slowest = gate; holder = READER
            :: else
            fi);
#endif
#ifndef NOTES_IGNORED
        do
        :: slot < PUBLISHERS -> STEP(true ->
            if
            :: note[slot] < slowest && slot != me -> slowest = note[slot]; holder = slot
            :: else
            fi;
            slot++)
        :: else -> break
        od;
#endif
        atomic {
            own_limit = (slowest + CAPACITY < place + 1 -> slowest + CAPACITY : place + 1);
            slot = 0
        }
        if
        :: place + 1 > own_limit ->
            atomic { seen = slowest; slowest = 0 }
            if
            :: holder == READER -> gate != seen
#ifdef DEAD_HOLDER_ISNT_LOOKED_AT
            :: holder < PUBLISHERS -> note[holder] != seen
#else
            :: holder < PUBLISHERS ->
                if
                :: note[holder] != seen
#ifdef RESCUE_BEFORE_PROOF
                :: is_active[holder] -> rescue(holder)
#else
                :: is_active[holder] && !is_alive[holder] && registry == NONE -> rescue(holder)
#endif
                fi
#endif
            fi;
            atomic { seen = 0; holder = 0; place = 0 }
            goto again
        :: else
        fi;
#ifndef LIMIT_RAISED_AFTER_THE_WRITE
        STEP(true ->
            if
            :: write_limit < place + 1 -> write_limit = place + 1
            :: else
            fi);
#endif
        atomic { slowest = 0; holder = 0 }
        goto again /* others went on meanwhile */
    :: else
    fi;
    STEP(true -> note[me] = place; is_noted = true);
    STEP(true ->
        if
        :: tail == place -> tail++; owner[place] = me + 1; is_noted = false
        :: else
        fi);
    if
    :: is_noted -> goto again
    :: else
    fi;
    STEP(true -> check_write(place); payload[AT(place)] = place + 1);
#ifdef LIMIT_RAISED_AFTER_THE_WRITE
    STEP(true -> write_limit = (write_limit < place + 1 -> place + 1 : write_limit));
#endif
    STEP(true -> check_write(place); stamp[AT(place)] = place + 1;
                 is_committed_event[place] = true);
    STEP(true -> note[me] = NONE; place = 0);
    goto claims_next;
done:
    STEP(true -> is_active[me] = false);
    atomic { at_work--; goto ended }
dies:
    atomic { is_alive[me] = false; at_work-- }
ended:
    skip
}

/* Something that makes another look at the place worth while. A reader looks again and again; but at
   a living claimant's note it sees the same until that is gone. */
#define IS_NOTED(slot, place, alive) \
    (note[slot] == place && is_active[slot] && is_alive[slot] == alive)
#define IS_NOTED_BY(alive, place) \
    (IS_NOTED(0, place, alive) || IS_NOTED(1, place, alive) || IS_NOTED(2, place, alive))
#define IS_WORTH_A_LOOK(place)                        \
    (stamp[AT(place)] == place + 1 || at_work == 0 || \
     (tail > place && IS_NOTED_BY(false, place)))

#ifdef GATE
/* It holds the ring from its start. */
proctype reader() {
    EXAMINE_LOCALS;
    byte place;
    bool is_quiet;
looks:
    IS_WORTH_A_LOOK(place) && (stamp[AT(place)] == place + 1 || !IS_NOTED_BY(true, place));
    atomic {
        is_quiet = (at_work == 0);
        if
        :: stamp[AT(place)] == place + 1 -> skip
        :: else -> goto examines
        fi
    }
#ifdef GATE_MOVED_BEFORE_READING
    atomic { gate = place + 1 }
#endif
    atomic {
        FORBID(event_is_half_written,
               payload[AT(place)] != (owner[place] == NOBODY -> 0 : place + 1));
        FORBID(event_is_lost, is_committed_event[place] && payload[AT(place)] == 0);
        place++;
        held = place
    }
    atomic { gate = place }
    goto looks;
examines:
    examine(place);
    atomic {
        if
        :: x_dead ->
            FORBID(event_is_lost, is_committed_event[place]);
            FORBID(living_publisher_is_passed,
                   owner[place] != NOBODY && is_alive[owner[place] - 1]);
            x_dead = false;
            place++;
            held = place
        :: else ->
            FORBID(reader_is_stuck, is_quiet && place != tail);
            if
            :: is_quiet -> goto ended
            :: else
            fi
        fi
    }
    atomic { gate = place }
    goto looks;
ended:
    skip
}
#else
/* It holds nothing: copies first, looks at the limit afterwards, and hands nothing over before. */
proctype reader() {
    EXAMINE_LOCALS;
    byte place, copy;
    bool is_quiet, is_there, is_lapped;
#ifdef STALE_NOTE_IS_READ
    x_believes_stale = true;
#endif
looks:
    IS_WORTH_A_LOOK(place) || place + CAPACITY < write_limit;
    atomic { is_quiet = (at_work == 0); is_there = (stamp[AT(place)] == place + 1) }
#ifdef CHECK_BEFORE_COPY
    atomic { is_lapped = (place + CAPACITY < write_limit) }
#endif
    if
    :: is_there -> atomic { copy = payload[AT(place)] }
    :: else
    fi;
#ifndef CHECK_BEFORE_COPY
    atomic { is_lapped = (place + CAPACITY < write_limit) }
#endif
    if
    :: atomic { is_lapped -> place = tail; is_lapped = false; is_there = false; copy = 0 }
        goto looks /* a gap, told */
    :: else
    fi;
    if
    :: atomic { is_there ->
        FORBID(event_is_half_written, copy != (owner[place] == NOBODY -> 0 : place + 1));
        FORBID(event_is_lost, is_committed_event[place] && copy == 0);
        is_there = false;
        copy = 0;
        place++ }
        goto looks
    :: else
    fi;
    examine(place);
    atomic {
        if
        :: x_dead ->
            FORBID(event_is_lost, is_committed_event[place]);
            FORBID(living_publisher_is_passed,
                   owner[place] != NOBODY && is_alive[owner[place] - 1])
        :: else ->
            FORBID(reader_is_stuck, is_quiet && place != tail);
            if
            :: is_quiet -> goto ended
            :: else
            fi
        fi
    }
    if
    :: x_dead ->
#ifdef READER_WRITES_TOMBSTONE
        atomic {
            FORBID(later_lap_is_overwritten,
                   stamp[AT(place)] > place + 1 || payload[AT(place)] > place + 1);
            payload[AT(place)] = 0;
            stamp[AT(place)] = place + 1;
            owner[place] = NOBODY
        }
#endif
        atomic { x_dead = false; place++ }
    :: else
    fi;
    goto looks;
ended:
    skip
}
#endif

init {
    atomic {
        is_active[0] = true;
        is_alive[0] = true;
        is_active[1] = true;
        is_alive[1] = true;
        at_work = 2;
        run publisher(0, true, 1);
#ifdef GATE
        gate = 0;
        held = 0;
#endif
#ifdef TWO_RESCUERS
        is_active[2] = true;
        is_alive[2] = true;
        at_work = 3;
        run publisher(1, false, 2);
        run publisher(2, false, 1);
#else
        run publisher(1, false, 4);
#endif
        run reader()
    }
}
