/* Waking many: whoever wakes wakes two, and each one that is woken wakes two others of those who
   slept before the wake-up. Publishers commit an event each; readers sleep until there are as many
   as they want. Memory has one order here: the flag against the commit is in sleep_wake.pml,
   and both sides of a wake-up are system calls. Which of the sleepers the kernel wakes is left open.

   configuration chain: SLEEPERS=3 EVENTS=2
   configuration one_killed: SLEEPERS=4 EVENTS=1 KILLED=1
   configuration all_killed: SLEEPERS=4 EVENTS=1 KILLED=2 SLEEPS_END
   configuration waker_killed: SLEEPERS=3 EVENTS=1 WAKERS_KILLED=1 SLEEPS_END

   mutation WOKEN_WAKE_NOBODY in chain: deadlock
   mutation ONE_BY_EACH in one_killed: deadlock
   mutation SLEEPS_DONT_END in all_killed: deadlock
   mutation SLEEPS_DONT_END in waker_killed: deadlock
   mutation ONLY_THE_LAST_GENERATION in chain: deadlock
   mutation ALL_GENERATIONS in chain: never_comes_to_rest
*/

#ifdef ONE_BY_EACH
#define BY_EACH 1
#else
#define BY_EACH 2
#endif

#if defined(ONLY_THE_LAST_GENERATION)
#define IS_REACHED(sleeper, now) (asleep[sleeper] == (now))
#elif defined(ALL_GENERATIONS)
#define IS_REACHED(sleeper, now) (asleep[sleeper] != 0)
#else
#define IS_REACHED(sleeper, now) (asleep[sleeper] != 0 && asleep[sleeper] != (now) + 1)
#endif

byte events;
bool flag;
byte count;
byte asleep[SLEEPERS]; /* 0: awake; else one more than the count that it read */
#ifdef KILLED
byte killed;
#endif
#ifdef WAKERS_KILLED
byte wakers_killed;
#endif
bool never_comes_to_rest;

/* FUTEX_WAKE_BITSET: at most so many, of every generation but the one of `now`. */
inline wake(now) {
    woken = 0;
    do
    :: woken < BY_EACH && IS_REACHED(0, now) -> asleep[0] = 0; woken++
    :: woken < BY_EACH && IS_REACHED(1, now) -> asleep[1] = 0; woken++
    :: woken < BY_EACH && IS_REACHED(2, now) -> asleep[2] = 0; woken++
#if SLEEPERS > 3
    :: woken < BY_EACH && IS_REACHED(3, now) -> asleep[3] = 0; woken++
#endif
    :: else -> break
    od;
    woken = 0
}

inline may_be_killed() {
#ifdef WAKERS_KILLED
    if
    :: wakers_killed < WAKERS_KILLED -> wakers_killed++; goto gone
    :: true
    fi
#else
    skip
#endif
}

proctype publisher() {
    byte woken;
    byte now;
    atomic { events++ }
    if
    :: flag ->
        may_be_killed();
        flag = false;
        may_be_killed();
        atomic { count++; now = count }
        may_be_killed();
        atomic { wake(now) }
    :: else
    fi;
gone:
    skip
}

proctype sleeper(byte me; byte wanted) {
    byte seen, sleeps, woken, now;
    do
    :: atomic { events >= wanted -> break }
    :: else ->
        seen = count;
        flag = true;
        if
        :: atomic { events >= wanted -> break }
        :: else
        fi;
        if
        :: atomic { count == seen ->
            asleep[me] = seen + 1;
            sleeps++;
            never_comes_to_rest = sleeps > EVENTS + 1;
            assert(!never_comes_to_rest)
           }
        :: else /* there was a wake-up already */
        fi;
        if
        :: asleep[me] == 0
#if defined(SLEEPS_END) && !defined(SLEEPS_DONT_END)
        :: atomic { timeout -> asleep[me] = 0; sleeps-- }
#endif
        fi;
#ifdef KILLED
        if
        :: atomic { killed < KILLED -> killed++; goto gone }
        :: true
        fi;
#endif
#ifndef WOKEN_WAKE_NOBODY
        atomic {
            now = count;
            if
            :: now != seen -> wake(now)
            :: else
            fi
        }
#endif
        seen = 0; now = 0
    od;
gone:
    skip
}

init {
    atomic {
        run publisher();
#if EVENTS > 1
        run publisher();
#endif
        run sleeper(0, 1);
        run sleeper(1, EVENTS);
        run sleeper(2, 1);
#if SLEEPERS > 3
        run sleeper(3, EVENTS);
#endif
    }
}
