/* Sleeping and waking: the flag, the count, the futex and the membarrier, on memory with store
   buffers. Two publishers commit, each some events; two readers sleep until there are enough. No
   sleep ends by itself here, though in the code each does: so a lost wake-up is a deadlock.

   configuration membarrier: EXPEDITED
   configuration fences: FENCED
   configuration mixed: EXPEDITED ONE_FENCES

   mutation NO_MEMBARRIER in membarrier: deadlock
   mutation FLAG_AFTER_LAST_LOOK in membarrier: deadlock
   mutation LOOK_BEFORE_COMMIT in membarrier: deadlock
   mutation COUNT_BEFORE_FLAG in membarrier: deadlock
   mutation COUNT_READ_LATE in membarrier: deadlock
   mutation COUNT_ISNT_COMPARED in membarrier: deadlock
   mutation NO_FENCE in fences: deadlock
   mutation MEMBARRIER_MISSES_ONE in mixed: deadlock
*/

#define PUBLISHERS 2
#define SLEEPERS 2
#define PROCESSES 4
#define VARIABLES 4
#define EVENTS_OF(publisher) (publisher) /* variables 0 and 1 */
#define FLAG 2
#define COUNT 3

#include "store_buffer.pml"

bool is_asleep[SLEEPERS];

/* Each publisher publishes this many events. */
#ifndef EVENTS
#define EVENTS 2
#endif

#ifdef ONE_FENCES
#define IS_REGISTERED(publisher) ((publisher) == 0)
#define FENCES(publisher) ((publisher) == 1)
#elif defined(FENCED)
#define IS_REGISTERED(publisher) false
#define FENCES(publisher) true
#else
#define IS_REGISTERED(publisher) true
#define FENCES(publisher) false
#endif

proctype publisher(byte me) {
    byte events;
    bool somebody;
    do
    :: events < EVENTS ->
#ifdef LOOK_BEFORE_COMMIT
        atomic { somebody = (LOAD(FLAG) != 0) }
#endif
        events++;
        STORE(me, EVENTS_OF(me), events);
#if !defined(NO_FENCE) && !defined(MEMBARRIER_MISSES_ONE)
        if
        :: FENCES(me) -> IS_DRAINED(me) /* fetch_add(0) */
        :: else
        fi;
#endif
#ifndef LOOK_BEFORE_COMMIT
        atomic { somebody = (LOAD(FLAG) != 0) }
#endif
        if
        :: somebody -> /* wake_all */
#ifdef COUNT_BEFORE_FLAG
            atomic { IS_DRAINED(me) -> memory[COUNT]++ }
            STORE(me, FLAG, 0);
#else
            STORE(me, FLAG, 0);
            atomic { IS_DRAINED(me) -> memory[COUNT]++ }
#endif
            atomic { is_asleep[0] = false; is_asleep[1] = false; somebody = false } /* FUTEX_WAKE */
        :: else
        fi
    :: else -> break
    od
}

#define THERE (LOAD(EVENTS_OF(0)) + LOAD(EVENTS_OF(1)))

/* Reads until it has seen `wanted` events; the readers want different numbers, so that a wake-up
   for one of them is none for the other. */
proctype sleeper(byte me; byte wanted) {
    byte count;
    do
    :: atomic { THERE >= wanted -> break }
    :: else ->
#ifndef COUNT_READ_LATE
        atomic { count = LOAD(COUNT) }
#endif
#ifdef FLAG_AFTER_LAST_LOOK
        if
        :: atomic { THERE >= wanted -> break }
        :: else
        fi;
#endif
        atomic { memory[FLAG] = 1 } /* exchange; a sleeper has no other store */
#ifdef COUNT_READ_LATE
        atomic { count = LOAD(COUNT) }
#endif
#ifndef NO_MEMBARRIER
        /* membarrier: each registered process passes a barrier, one after the other. */
        if
        :: IS_REGISTERED(0) -> IS_DRAINED(0)
        :: else
        fi;
        if
        :: IS_REGISTERED(1) -> IS_DRAINED(1)
        :: else
        fi;
#endif
#ifndef FLAG_AFTER_LAST_LOOK
        if
        :: atomic { THERE >= wanted -> break }
        :: else
        fi;
#endif
        /* futex_wait: the comparison and falling asleep are one step of the kernel. */
        atomic {
#ifdef COUNT_ISNT_COMPARED
            is_asleep[me] = true
#else
            if
            :: LOAD(COUNT) == count -> is_asleep[me] = true
            :: else
            fi
#endif
        }
        atomic { !is_asleep[me] -> count = 0 }
    od
}

init {
    atomic {
        run publisher(0);
        run publisher(1);
        run sleeper(0, 1);
        run sleeper(1, 2 * EVENTS)
    }
}
