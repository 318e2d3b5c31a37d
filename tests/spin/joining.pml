/* A gating reader joins while publishers take room (edge gate_registered), on memory with store
   buffers: the announcement against the gate. The ring holds CAPACITY events and is full; reader
   and publishers may each be first.

   configuration joining: TOTAL_ORDER

   mutation GATE_IS_A_PLAIN_STORE in joining: gated_event_is_overwritten
   mutation LIMIT_IS_A_PLAIN_STORE in joining: gated_event_is_overwritten
   mutation GATES_BEFORE_LIMIT in joining: gated_event_is_overwritten
   mutation NO_LOOK_AT_THE_LIMIT in joining: gated_event_is_overwritten
   mutation LIMIT_BEFORE_GATE in joining: gated_event_is_overwritten
   mutation SECOND_DOESNT_LOOK in joining: gated_event_is_overwritten
*/

#define PROCESSES 3
#define VARIABLES 2
#define LIMIT 0
#define GATE 1
#define NO_GATE 15

#include "parts.pml"
#include "store_buffer.pml"

hidden byte gated_event_is_overwritten = 1;

#define CAPACITY 2
#define END 5 /* publishers go on until this many events were written */
byte tail = CAPACITY;    /* claims are in one order; how is claim_rescue.pml's matter */
byte held = NO_GATE;     /* truth: the oldest event that the reader may have in its hand */

/* Two publishers take room and write, one event at a time. */
proctype publisher(byte me) {
    byte own_limit = CAPACITY, announced, gate, place;
    do
    :: atomic { tail < END && tail < own_limit -> place = tail; tail++ }
        /* the write itself */
        atomic {
            FORBID(gated_event_is_overwritten, held != NO_GATE && place >= held + CAPACITY);
            place = 0
        }
    :: atomic { tail < END && tail >= own_limit -> announced = tail + 1 }
#ifdef GATES_BEFORE_LIMIT
        atomic { gate = LOAD(GATE) }
#endif
        /* raise_to: a load, and an exchange only if it is too low. */
#ifdef LIMIT_IS_A_PLAIN_STORE
        if
        :: LOAD(LIMIT) < announced -> STORE(me, LIMIT, announced)
        :: else
        fi;
#else
        if
        :: atomic { LOAD(LIMIT) < announced -> memory[LIMIT] = announced }
#ifdef SECOND_DOESNT_LOOK
        :: atomic { LOAD(LIMIT) >= announced -> own_limit = announced; goto granted }
#else
        :: atomic { LOAD(LIMIT) >= announced -> skip }
#endif
        fi;
#endif
#ifndef GATES_BEFORE_LIMIT
        atomic { gate = LOAD(GATE) }
#endif
        atomic {
            own_limit = (gate == NO_GATE || gate + CAPACITY >= announced -> announced
                                                                         : gate + CAPACITY)
        }
        if
        :: own_limit < announced -> LOAD(GATE) != gate /* waits for room */
        :: else
        fi;
granted:
        atomic { gate = 0; announced = 0 }
    :: tail >= END -> break
    od
}

/* Joins at the oldest place, and moves up when it was lapped in between. */
proctype reader() {
    byte place, limit;
    do
    :: atomic { place = (tail > CAPACITY -> tail - CAPACITY : 0) }
#ifdef LIMIT_BEFORE_GATE
        atomic { limit = LOAD(LIMIT) }
#endif
#ifdef GATE_IS_A_PLAIN_STORE
        STORE(2, GATE, place);
#else
        atomic { IS_DRAINED(2) -> memory[GATE] = place }
#endif
#ifdef NO_LOOK_AT_THE_LIMIT
        atomic { limit = 0 }
#elif !defined(LIMIT_BEFORE_GATE)
        atomic { limit = LOAD(LIMIT) }
#endif
        if
        :: atomic { place + CAPACITY >= limit -> held = place }
            break
        :: else -> skip
        fi
    od;
    /* Reads on; the gate moves behind what was read. */
    do
    :: atomic { place < END && place < tail -> place++; held = place }
        STORE(2, GATE, place)
    :: place >= END -> break
    od
}

init {
    atomic {
        memory[GATE] = NO_GATE;
        memory[LIMIT] = CAPACITY;
        run publisher(0);
        run publisher(1);
        run reader()
    }
}
