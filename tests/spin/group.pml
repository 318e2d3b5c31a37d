/* A group that shares events without a coordinator: one word for each event of a window, of which
   every change is one swap of the whole word; seats whose locks the kernel drops with their owners;
   members that die between any two steps, that are taken for stuck, and one that comes later. Each
   event is handled, and none is forgotten. A unit of its event is free when the word says that the
   event of the lap before is done.

   configuration laps: WINDOW=1 EVENTS=3 DEATHS=1 STALLS=0
   configuration window: WINDOW=2 EVENTS=2 DEATHS=1 STALLS=0
   configuration deaths: WINDOW=1 EVENTS=2 DEATHS=2 STALLS=0
   configuration stall: WINDOW=2 EVENTS=2 DEATHS=0 STALLS=1
   configuration death_and_stall: WINDOW=1 EVENTS=2 DEATHS=1 STALLS=1 TWO

   mutation NO_LAP in laps: event_comes_unannounced
   mutation NO_TRIES in stall: event_comes_unannounced
   mutation SEAT_TAKEN_BEFORE_CLEARING in window: deadlock
   mutation JUDGED_BEFORE_THE_WORD in window: living_lease_is_taken
   mutation SIGN_OF_THE_DEAD_COUNTS in death_and_stall: deadlock
   mutation FLOOR_WITHOUT_LAP in laps: floor_is_over_undone
   mutation FLOOR_IS_STORED in laps: floor_goes_back
   mutation FRONTIER_BEFORE_TAKING in window: deadlock
   mutation WINDOW_IGNORED in laps: deadlock
   mutation CLEARED_BEFORE_TAKEN_BACK in deaths: deadlock
   mutation DONE_WITHOUT_SWAP in stall: done_without_a_yes
*/
#include "parts.pml"

hidden byte event_comes_unannounced = 1;
hidden byte living_lease_is_taken = 1;
hidden byte floor_is_over_undone = 1;
hidden byte floor_goes_back = 1;
hidden byte done_without_a_yes = 1;

#define SEATS 2
#define MEMBERS 3

#define LEASED 1
#define AGAIN 2
#define DONE 3

/* lap, tries, seat, state: two, three, one and two bits. */
#define WORD(lap, tries, seat, state) ((lap) * 64 + (tries) * 8 + (seat) * 4 + (state))
#define LAP(word) ((word) / 64)
#define TRIES(word) (((word) / 8) % 8)
#define SEAT(word) (((word) / 4) % 2)
#define STATE(word) ((word) % 4)
#define LAP_OF(event) ((event) / WINDOW + 1)

byte unit[2];              /* of which WINDOW are used */
byte floor;
byte frontier;
byte lock[SEATS] = NONE;   /* the kernel's */
byte turn[SEATS];          /* odd: somebody sits there, as far as it is written */
bool is_quiet[SEATS];      /* no sign of life since the other one looked */

/* The truth. */
bool is_alive[MEMBERS];
bool is_stale[MEMBERS];    /* it was taken for stuck, and has given no sign of life since */
byte owner[2] = NONE; /* who has leased it */
byte started[EVENTS];      /* a bit for each count of tries with which a handler had it */
bool has_yes[EVENTS];
byte deaths = DEATHS;
byte stalls = STALLS;

#ifndef NO_LAP
#define IS_ANOTHERS(word, event) (LAP(word) >= LAP_OF(event))
#define IS_FREE(word, event) (LAP(word) + 1 == LAP_OF(event) && STATE(word) == DONE)
#else
#define IS_ANOTHERS(word, event) (STATE(word) != DONE)
#define IS_FREE(word, event) (STATE(word) == DONE)
#endif
#ifndef WINDOW_IGNORED
#define HAS_ROOM(event) ((event) < floor + WINDOW)
#else
#define HAS_ROOM(event) true
#endif
#ifndef FLOOR_WITHOUT_LAP
#define IS_DONE(event) (unit[(event) % WINDOW] % 4 == DONE && LAP(unit[(event) % WINDOW]) == LAP_OF(event))
#else
#define IS_DONE(event) (unit[(event) % WINDOW] % 4 == DONE)
#endif
#define IS_AGAIN(index) (STATE(unit[index]) == AGAIN)
#define IS_DESERTED(index) (turn[index] % 2 == 1 && lock[index] == NONE)

/* Something that a poll would change. What others have in their hands is waited for. */
#define IS_WORTH_A_LOOK                                                                   \
    (floor == EVENTS || IS_AGAIN(0) || IS_AGAIN(1) || IS_DONE(floor) ||                   \
     IS_DESERTED(0) || IS_DESERTED(1) ||                                                  \
     (place < EVENTS && (IS_ANOTHERS(unit[place % WINDOW], place) ||                      \
                         (IS_FREE(unit[place % WINDOW], place) && HAS_ROOM(place)))) ||   \
     (stalls > 0 && ((unit[0] % 4 == LEASED && SEAT(unit[0]) != seat) ||                  \
                     (unit[1] % 4 == LEASED && SEAT(unit[1]) != seat))))

#ifndef SIGN_OF_THE_DEAD_COUNTS
#define IS_STILL_DEAD (turn[other] == seen_turn)
#else
#define IS_STILL_DEAD (turn[other] == seen_turn && is_quiet[other])
#endif
#define IS_STILL_SILENT (turn[other] == seen_turn && is_quiet[other])

/* GroupFile::take_back_while. */
inline take_back(whose, still, is_own) {
    atomic { index = 0 }
    do
    :: index < WINDOW ->
        STEP(true -> word = unit[index]);
        if
        :: STATE(word) == LEASED && SEAT(word) == whose ->
#ifndef JUDGED_BEFORE_THE_WORD
            STEP(true ->
                if
                :: !(still) -> index = WINDOW
                :: else
                fi);
#endif
            if
            :: index < WINDOW ->
                STEP(true ->
                    if
                    :: unit[index] == word ->
                        FORBID(living_lease_is_taken,
                               owner[index] != NONE && is_alive[owner[index]] &&
                               !is_stale[owner[index]] && !(is_own && owner[index] == me));
                        owner[index] = NONE;
                        unit[index] = WORD(LAP(word), TRIES(word), 0, AGAIN)
                    :: else
                    fi);
                index++
            :: else
            fi
        :: else -> index++
        fi
    :: else -> break
    od;
    atomic { index = 0; word = 0 }
}

/* The event in `event`, the swap of whose unit to `word` has been won. */
inline handle() {
    STEP(true ->
        FORBID(event_comes_unannounced, (started[event] & (1 << TRIES(word))) != 0);
        started[event] = started[event] | (1 << TRIES(word)));
    STEP(true ->
        if
#ifndef DONE_WITHOUT_SWAP
        :: unit[event % WINDOW] == word ->
#else
        :: true ->
            FORBID(done_without_a_yes, unit[event % WINDOW] != word);
#endif
            has_yes[event] = true;
            owner[event % WINDOW] = NONE;
            unit[event % WINDOW] = WORD(LAP(word), TRIES(word), 0, DONE)
        :: else
        fi;
        word = 0;
        event = 0)
}

inline note_hand() {
    owner[event % WINDOW] = me
}

proctype member(byte me; bool is_mortal) {
    byte seat, place, word, old, index, event, other, seen_turn, behind;
    /* GroupCore::sit_down */
    atomic {
        if
        :: lock[0] == NONE -> lock[0] = me; seat = 0
        :: lock[1] == NONE -> lock[1] = me; seat = 1
        fi;
        is_alive[me] = true
    }
#ifndef SEAT_TAKEN_BEFORE_CLEARING
    take_back(seat, true, true);
#endif
    STEP(true -> turn[seat] = (turn[seat] / 2 + 1) * 2 + 1);
    atomic { place = frontier }
polls:
    IS_WORTH_A_LOOK;
    STEP(true -> is_quiet[seat] = false; is_stale[me] = false);
    if
    :: floor == EVENTS -> goto leaves

    /* look_at_seats */
    :: turn[1 - seat] % 2 == 1 ->
        STEP(true -> other = 1 - seat; seen_turn = turn[other]; is_quiet[other] = true);
        if
        :: atomic { lock[other] == NONE -> skip }
#ifdef CLEARED_BEFORE_TAKEN_BACK
            STEP(true ->
                if
                :: turn[other] == seen_turn -> turn[other] = turn[other] - 1; seen_turn--
                :: else
                fi);
            take_back(other, IS_STILL_DEAD, false)
#else
            take_back(other, IS_STILL_DEAD, false);
            STEP(true ->
                if
                :: turn[other] == seen_turn -> turn[other] = turn[other] - 1
                :: else
                fi)
#endif
        :: atomic { lock[other] != NONE && stalls > 0 && is_quiet[other] &&
                    turn[other] == seen_turn -> stalls--;
            /* Whoever sits there by that turn. */
            if
            :: is_alive[lock[other]] -> is_stale[lock[other]] = true
            :: else
            fi }
            take_back(other, IS_STILL_SILENT, false)
        :: atomic { else -> skip }
        fi;
        atomic { other = 0; seen_turn = 0 }

    /* hand_out_again */
    :: IS_AGAIN(0) || IS_AGAIN(1) ->
        STEP(true ->
            if
            :: IS_AGAIN(0) -> index = 0
            :: IS_AGAIN(1) -> index = 1
            :: else -> index = 0
            fi;
            old = unit[index];
            event = (LAP(old) - 1) * WINDOW + index);
        if
        :: STATE(old) == AGAIN ->
#ifndef NO_TRIES
            atomic { word = WORD(LAP(old), TRIES(old) + 1, seat, LEASED) }
#else
            atomic { word = WORD(LAP(old), TRIES(old), seat, LEASED) }
#endif
            STEP(true ->
                if
                :: unit[index] == old -> unit[index] = word; note_hand()
                :: else -> word = 0
                fi;
                index = 0; old = 0);
            if
            :: word != 0 -> handle()
            :: else -> event = 0
            fi
        :: else -> atomic { index = 0; old = 0; event = 0 }
        fi

    /* take_event, raise_frontier */
    :: place < EVENTS ->
        STEP(true -> old = unit[place % WINDOW]);
        if
        :: place < frontier || IS_ANOTHERS(old, place) -> atomic { place++; old = 0 }
        :: !(place < frontier || IS_ANOTHERS(old, place)) &&
           IS_FREE(old, place) && HAS_ROOM(place) ->
            atomic { event = place; word = WORD(LAP_OF(place), 1, seat, LEASED) }
#ifdef FRONTIER_BEFORE_TAKING
            STEP(true -> frontier = (frontier < place + 1 -> place + 1 : frontier));
#endif
            STEP(true ->
                if
                :: unit[event % WINDOW] == old -> unit[event % WINDOW] = word; note_hand()
                :: else -> word = 0
                fi;
                old = 0;
                place++);
            if
            :: word != 0 -> handle()
            :: else -> event = 0
            fi
        :: else -> old = 0
        fi;
        STEP(true -> frontier = (frontier < place -> place : frontier))

    /* raise_floor */
    :: IS_DONE(floor) && floor < EVENTS ->
        STEP(true -> old = floor; behind = old);
        do
        :: behind < EVENTS && behind < old + WINDOW && IS_DONE(behind) ->
            STEP(true -> behind++)
        :: else -> break
        od;
        STEP(true ->
            if
#ifndef FLOOR_IS_STORED
            :: floor == old && behind > old ->
#else
            :: behind > old ->
#endif
                FORBID(floor_goes_back, behind < floor);
                index = old;
                do
                :: index < behind -> FORBID(floor_is_over_undone, !has_yes[index]); index++
                :: else -> break
                od;
                floor = behind
            :: else
            fi;
            index = 0; old = 0; behind = 0)
    fi;
    goto polls;
leaves:
    atomic { turn[seat] = turn[seat] - 1; lock[seat] = NONE; is_alive[me] = false; goto ended }
dies:
    atomic { is_alive[me] = false; lock[seat] = NONE }
ended:
    skip
}

init {
    atomic {
        unit[0] = WORD(0, 0, 0, DONE);
        unit[1] = WORD(0, 0, 0, DONE);
        run member(0, true);
#ifndef TWO
        run member(1, true);
#endif
        run member(2, false)
    }
}
