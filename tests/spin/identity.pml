/* Publishers with a name: lives of one identity, one after the other, beside somebody else who
   publishes without one. Whoever takes the name is told the last number that was committed, whatever
   step its predecessors and whoever settled what those left were killed at. Events of one unit, in a
   ring that is larger than all that happens. README.md says which line of the code each step stands
   for.

   configuration shared: LIVES=2 COMPETITOR=1 DEATHS=2
   configuration alone: LIVES=3 DEATHS=2
   configuration single: LIVES=3 SINGLE DEATHS=2

   mutation NOTE_CLEARED_BEFORE_NUMBER in shared: number_comes_twice
   mutation NUMBER_BEFORE_STAMP in shared: number_is_skipped
   mutation NOTE_CLEARED_BEFORE_SETTLING in alone: number_comes_twice
   mutation STAMP_ALONE_COUNTS in shared: number_is_skipped
   mutation TOLD_BEFORE_RESCUE in shared: number_comes_twice
   mutation NAMED_AFTER_PUBLISHING in shared: number_comes_twice
   mutation TAIL_BEFORE_NUMBER in single: number_comes_twice
   mutation TAIL_TAKEN_OVER_BEFORE_SETTLING in single: number_comes_twice
*/

#include "parts.pml"

#ifndef COMPETITOR
#define COMPETITOR 0
#endif
#define SLOTS 4
#define PLACES 12
#define EVENTS 2 /* that each life publishes */
#define MINE 1

hidden byte number_comes_twice = 1;
hidden byte number_is_skipped = 1;

byte tail;
byte note[SLOTS] = NONE;
bool is_active[SLOTS];
bool is_alive[SLOTS];
bool has_name[SLOTS];
byte registry = NONE; /* who holds it; dropped by the kernel at a death */
byte role = NONE;     /* who has the name; the same */
byte last_own;
bool stamped[PLACES];
byte id[PLACES];
byte own[PLACES];
byte deaths = DEATHS;

byte committed_own; /* the truth, which no process may ask */

/* rescue_publisher under the registry lock: x_done says whether it could be told. */
inline rescue(slot) {
    STEP(x_noted = note[slot]; x_done = true);
    if
    :: x_noted == NONE
    :: x_noted != NONE && (x_noted >= tail || stamped[x_noted]) ->
#ifdef NOTE_CLEARED_BEFORE_SETTLING
        STEP(note[slot] = NONE);
#endif
        if
        :: x_noted < tail ->
            STEP(
                if
#ifdef STAMP_ALONE_COUNTS
                :: true -> last_own++
#else
                :: id[x_noted] == MINE && own[x_noted] > last_own -> last_own = own[x_noted]
#endif
                :: else
                fi)
        :: else
        fi;
        STEP(note[slot] = NONE)
    :: else ->
        STEP(x_slot = 0;
             do
             :: x_slot < SLOTS && x_slot != slot && note[x_slot] == x_noted && is_alive[x_slot] ->
                 x_done = false; break
             :: x_slot < SLOTS && !(x_slot != slot && note[x_slot] == x_noted && is_alive[x_slot]) ->
                 x_slot++
             :: x_slot >= SLOTS -> break
             od;
             x_slot = 0);
        if
        :: x_done ->
            STEP(stamped[x_noted] = true; id[x_noted] = 0);
            STEP(note[slot] = NONE)
        :: else
        fi
    fi;
    if
    :: x_done -> STEP(is_active[slot] = false)
    :: else
    fi;
    x_noted = 0
}

/* take_over_tail under the registry lock. */
inline take_over_tail() {
    STEP(x_noted = tail; x_own = 0);
    do
    :: stamped[x_noted] ->
        STEP(
            if
            :: id[x_noted] == MINE && own[x_noted] > x_own -> x_own = own[x_noted]
            :: else
            fi;
            x_noted++)
    :: else -> break
    od;
#ifdef TAIL_TAKEN_OVER_BEFORE_SETTLING
    STEP(tail = x_noted);
#endif
    STEP(
        if
        :: x_own > last_own -> last_own = x_own
        :: else
        fi);
    STEP(tail = x_noted);
    x_noted = 0; x_own = 0
}

inline commit(place) {
#ifdef NUMBER_BEFORE_STAMP
    STEP(last_own = mine + 1);
#endif
    STEP(
        stamped[place] = true;
        FORBID(number_comes_twice, mine + 1 <= committed_own);
        committed_own = mine + 1);
#ifdef TAIL_BEFORE_NUMBER
    STEP(tail = place + 1);
#endif
#ifdef NOTE_CLEARED_BEFORE_NUMBER
    STEP(note[me] = NONE);
#endif
    STEP(last_own = mine + 1);
    mine++
}

proctype life(byte me) {
    bool is_mortal = true;
    bool x_done;
    byte x_noted, x_slot, x_own, mine, place, published, slot;
    atomic { is_alive[me] = true }
again:
    STEP(registry == NONE -> registry = me);
    if
    :: role != NONE && role != me ->
        STEP(registry = NONE);
        STEP(role == NONE -> skip);
        goto again
    :: else -> STEP(role = me)
    fi;
#ifdef TOLD_BEFORE_RESCUE
    STEP(mine = last_own);
#endif
#ifdef SINGLE
    take_over_tail();
#else
    slot = 0;
    do
    :: slot < SLOTS && is_active[slot] && has_name[slot] && !is_alive[slot] ->
        rescue(slot);
        if
        :: x_done -> slot++
        :: else ->
            STEP(registry = NONE);
            goto again
        fi
    :: slot < SLOTS && !(is_active[slot] && has_name[slot] && !is_alive[slot]) -> slot++
    :: slot >= SLOTS -> break
    od;
    slot = 0;
#endif
#ifndef TOLD_BEFORE_RESCUE
    STEP(mine = last_own);
#endif
    atomic {
        FORBID(number_comes_twice, mine < committed_own);
        FORBID(number_is_skipped, mine > committed_own)
    }
    STEP(is_active[me] = true);
#ifndef NAMED_AFTER_PUBLISHING
    STEP(has_name[me] = true);
#endif
    STEP(
        if
        :: registry == me -> registry = NONE
        :: else
        fi);
    do
    :: published < EVENTS ->
#ifdef SINGLE
        STEP(place = tail);
        STEP(id[place] = MINE; own[place] = mine + 1);
        commit(place);
        STEP(tail = place + 1);
        published++
#else
        STEP(place = tail);
        STEP(note[me] = place);
        if
        :: STEP(tail == place -> tail++);
            STEP(id[place] = MINE; own[place] = mine + 1);
            commit(place);
            STEP(note[me] = NONE);
            published++
        :: tail != place -> STEP(note[me] = NONE)
        fi
#endif
    :: else -> break
    od;
#ifdef NAMED_AFTER_PUBLISHING
    STEP(has_name[me] = true);
#endif
    STEP(is_active[me] = false);
    STEP(role = NONE);
    goto ends;
dies:
ends:
    atomic {
        is_alive[me] = false;
        if
        :: registry == me -> registry = NONE
        :: else
        fi;
        if
        :: role == me -> role = NONE
        :: else
        fi
    }
}

#if COMPETITOR
/* Publishes without a name, and is killed like anybody. */
proctype competitor(byte me) {
    bool is_mortal = true;
    byte place, published;
    atomic { is_alive[me] = true; is_active[me] = true }
    do
    :: published < COMPETITOR ->
        STEP(place = tail);
        STEP(note[me] = place);
        if
        :: STEP(tail == place -> tail++);
            STEP(stamped[place] = true);
            STEP(note[me] = NONE);
            published++
        :: tail != place -> STEP(note[me] = NONE)
        fi
    :: else -> break
    od;
    STEP(is_active[me] = false);
dies:
    is_alive[me] = false
}
#endif

init {
    atomic {
        run life(0);
        run life(1)
#if LIVES > 2
        ; run life(2)
#endif
#if COMPETITOR
        ; run competitor(3)
#endif
    }
}
