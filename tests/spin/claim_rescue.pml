/* Claims, commits, deaths inside a claim, the readers' judgement of a hole, and rescue, in a ring
   that is larger than all that happens (room.pml laps). README.md says which line of the code each
   step stands for.

   configuration pair: PAIR
   configuration pair_batch: PAIR BATCHES ODD_SLOT=0
   configuration pair_batch_turned: PAIR BATCHES ODD_SLOT=1
   configuration singles: LOOKS
   configuration batch: LOOKS BATCHES ODD_SLOT=0
   configuration rescue: RESCUE READS_LAST
   configuration rescue_batch: RESCUE READS_LAST BATCHES ABORTS
   configuration losers: LOSERS READS_LAST
   configuration rescuers: RESCUERS READS_LAST BATCHES ODD_SLOT=0
   configuration passing: PASSING BATCHES ABORTS ODD_SLOT=0

   mutation SWAP_BEFORE_NOTE in pair: sound_ring_looks_corrupt
   mutation NOTE_SEQUENCE_FIRST in losers: committed_event_is_overwritten
   mutation LOST_NOTE_IS_KEPT in losers: committed_event_is_overwritten
   mutation STAMP_BEFORE_PAYLOAD in pair: event_is_half_written
   mutation NOTE_CLEARED_BEFORE_COMMIT in pair: sound_ring_looks_corrupt
   mutation TAIL_READ_LAST in pair: sound_ring_looks_corrupt
   mutation NOTE_ALONE_COUNTS in pair: readers_disagree
   mutation LIVING_CLAIMANT_TAKEN_FOR_DEAD in pair: living_publisher_is_passed
   mutation LIVING_CLAIMANT_LEFT_OUT in pair: living_publisher_is_passed
   mutation STAMP_BEFORE_PROOF_OF_DEATH in pair: event_is_lost
   mutation NO_READING_AFTER_THE_PROOF in pair_batch: readers_disagree
   mutation STAMP_BEFORE_NOTES_IN_HISTORY in batch: readers_disagree
   mutation FIRST_END_COUNTS in batch: readers_disagree
   mutation FIRST_STAMP_FIRST in pair_batch: half_a_batch
   mutation BATCH_ISNT_MARKED in pair_batch: readers_disagree
   mutation WON_MARK_IGNORED in pair_batch: readers_disagree
   mutation CLEARED_BEFORE_TOMBSTONES in rescuers: sound_ring_looks_corrupt
   mutation RESCUE_WITHOUT_LOCK in rescuers: sound_ring_looks_corrupt
*/

#include "parts.pml"

hidden byte event_is_half_written = 1;
hidden byte event_is_lost = 1;
hidden byte event_is_delivered_twice = 1;
hidden byte half_a_batch = 1;
hidden byte readers_disagree = 1;
hidden byte living_publisher_is_passed = 1;
hidden byte committed_event_is_overwritten = 1;
hidden byte living_claim_is_overwritten = 1;
hidden byte reader_is_stuck = 1;
hidden byte sound_ring_looks_corrupt = 1;

#define SLOTS 3
#ifndef ODD_SLOT
#define ODD_SLOT 1
#endif
#define UNITS 11
#define SEQUENCES 9

typedef Note {
    byte sequence = NONE;
    byte position;
    byte size;
    byte count;
    bool has_won
};
Note note[SLOTS];
bool is_active[SLOTS];
bool is_alive[SLOTS];  /* the kernel's word about the slot's owner */
byte registry = NONE;  /* who holds the registry lock; dropped by the kernel at a death */
byte tail_sequence;
byte tail_position;

/* The ring, unit by unit. */
byte stamp[UNITS];  /* sequence + 1 */
byte size_word[UNITS];
bool tombstone[UNITS];
byte payload[UNITS];

/* The truth, which no process may ask. */
byte true_position[SEQUENCES];
byte true_size[SEQUENCES];   /* of the claim that begins with this sequence */
byte true_count[SEQUENCES];
byte true_owner[SEQUENCES];
bool is_committed_event[SEQUENCES];
byte deaths;
byte at_work;  /* processes that may still change something */

/* --- the judgement */

#define LOAD_NOTE_LOCALS byte n_sequence, n_position, n_size, n_count; bool n_won

inline clear_note_locals() {
    n_sequence = 0; n_position = 0; n_size = 0; n_count = 0; n_won = false
}

/* load_intent: the sequence, the rest, and the sequence again. n_sequence is NONE when there is no
   note, or one that changes. The caller is no mortal part of the protocol here: a death while it
   looks is a death of its process at any other step. */
inline load_note(slot) {
    atomic { n_sequence = note[slot].sequence }
    atomic {
        n_position = note[slot].position;
        n_size = note[slot].size;
        n_count = note[slot].count;
        n_won = note[slot].has_won;
        if
        :: note[slot].sequence != n_sequence -> n_sequence = NONE
        :: else
        fi
    }
}

#define VERDICT_NONE 0
#define VERDICT_OPEN 1
#define VERDICT_DEAD 2
#define VERDICT_CORRUPT 3
#define EXAMINE_LOCALS                                                                  \
    byte x_slot, x_other, x_verdict, x_any_size, x_any_count, x_won_size, x_won_count;  \
    byte x_near_size, x_near_count, x_size, x_count, x_early; bool x_differ, x_passed, x_won, x_noted

inline clear_examine_locals() {
    x_slot = 0; x_other = 0; x_any_size = 0; x_any_count = 0; x_won_size = 0; x_won_count = 0;
    x_near_size = 0; x_near_count = 0; x_early = 0; x_differ = false; x_passed = false;
    x_won = false; x_noted = false; clear_note_locals()
}

/* examine_hole: x_verdict, and x_size and x_count of the hole. */
inline examine(at_sequence, at_position) {
    atomic {
        clear_examine_locals();
        x_verdict = VERDICT_NONE;
        x_size = 0;
        x_count = 0;
        if
#if defined(NOTE_ALONE_COUNTS)
        :: true -> x_noted = true
#elif defined(TAIL_READ_LAST)
        :: true
#else
        :: tail_sequence > at_sequence
#endif
#ifdef STAMP_BEFORE_PROOF_OF_DEATH
            -> x_early = stamp[at_position]
#endif
        :: else -> x_slot = SLOTS; x_noted = true
        fi
    }
    do
    :: x_slot < SLOTS ->
        load_note(x_slot);
        if
        :: atomic {
            n_sequence == at_sequence && n_position == at_position && is_active[x_slot] ->
            x_noted = true
           }
            if
#ifdef LIVING_CLAIMANT_TAKEN_FOR_DEAD
            :: atomic { true -> skip }
#else
            :: atomic { is_alive[x_slot] ->
#ifdef LIVING_CLAIMANT_LEFT_OUT
                n_sequence = NONE; n_size = 0
#else
                x_verdict = VERDICT_OPEN; x_slot = SLOTS; n_size = 0
#endif
               }
            :: atomic { else -> skip }
#endif
#ifndef NO_READING_AFTER_THE_PROOF
                atomic {
                    /* The owner is dead: nobody changes the note but a rescuer, who clears it. */
                    n_sequence = note[x_slot].sequence;
                    n_position = note[x_slot].position;
                    n_size = note[x_slot].size;
                    n_count = note[x_slot].count;
                    n_won = note[x_slot].has_won
                }
#endif
            fi;
            if
            :: atomic {
                x_slot < SLOTS && n_sequence == at_sequence && n_position == at_position &&
                n_size >= n_count && n_count > 0 ->
                x_size = n_size;
                x_count = n_count;
                x_won = n_won;
                x_passed = false;
                if
                :: x_any_size == 0 -> x_any_size = x_size; x_any_count = x_count
                :: else ->
                    if
                    :: x_any_size != x_size || x_any_count != x_count -> x_differ = true
                    :: else
                    fi
                fi;
                if
                :: x_won -> x_won_size = x_size; x_won_count = x_count
                :: else
                fi
               }
                /* is_next_place: the tail, the notes, the stamp. */
                atomic {
                    x_passed = (tail_sequence == at_sequence + x_count &&
                                tail_position == at_position + x_size);
                    x_other = 0
                }
#ifndef STAMP_BEFORE_NOTES_IN_HISTORY
                do
                :: !x_passed && x_other < SLOTS ->
                    load_note(x_other);
                    atomic {
                        x_passed = (n_sequence == at_sequence + x_count &&
                                    n_position == at_position + x_size);
                        x_other++
                    }
                :: else -> break
                od;
#endif
                atomic {
                    x_passed = x_passed ||
                        stamp[at_position + x_size] == at_sequence + x_count + 1;
                    x_other = 0
                }
#ifdef STAMP_BEFORE_NOTES_IN_HISTORY
                do
                :: !x_passed && x_other < SLOTS ->
                    load_note(x_other);
                    atomic {
                        x_passed = (n_sequence == at_sequence + x_count &&
                                    n_position == at_position + x_size);
                        x_other++
                    }
                :: else -> break
                od;
#endif
                atomic {
#ifdef FIRST_END_COUNTS
                    if
                    :: x_passed && x_near_size == 0 -> x_near_size = x_size; x_near_count = x_count
#else
                    if
                    :: x_passed && (x_near_size == 0 || x_size < x_near_size) ->
                        x_near_size = x_size;
                        x_near_count = x_count
#endif
                    :: else
                    fi
                }
            :: else
            fi
        :: else
        fi;
        atomic {
            if
            :: x_slot < SLOTS -> x_slot++
            :: else
            fi;
            x_other = 0; x_passed = false; x_won = false; clear_note_locals()
        }
    :: else -> break
    od;
    atomic {
        x_size = 0;
        x_count = 0;
        if
        :: x_verdict == VERDICT_OPEN || (x_any_size == 0 && x_noted)
        :: x_verdict != VERDICT_OPEN && x_any_size == 0 && !x_noted ->
            /* Claimed, noted by nobody, and not committed: no publisher of ours leaves that. */
            x_verdict = (stamp[at_position] != at_sequence + 1 && tail_sequence > at_sequence ->
                             VERDICT_CORRUPT : VERDICT_NONE)
#ifdef STAMP_BEFORE_PROOF_OF_DEATH
        :: x_any_size != 0 && x_verdict != VERDICT_OPEN -> x_verdict = (x_early == at_sequence + 1 -> VERDICT_NONE : VERDICT_DEAD)
#else
        :: x_any_size != 0 && x_verdict != VERDICT_OPEN ->
            x_verdict = (stamp[at_position] == at_sequence + 1 -> VERDICT_NONE : VERDICT_DEAD)
#endif
        fi;
        if
        :: x_verdict == VERDICT_DEAD ->
            if
#ifndef WON_MARK_IGNORED
            :: x_won_size != 0 -> x_size = x_won_size; x_count = x_won_count
            :: x_won_size == 0 && !x_differ -> x_size = x_any_size; x_count = x_any_count
            :: x_won_size == 0 && x_differ && x_near_size != 0 ->
#else
            :: !x_differ -> x_size = x_any_size; x_count = x_any_count
            :: x_differ && x_near_size != 0 ->
#endif
                x_size = x_near_size; x_count = x_near_count
            :: else -> x_verdict = VERDICT_OPEN
            fi
        :: else
        fi;
        clear_examine_locals()
    }
}

/* --- publishing */

inline seal_claim(owner, at_sequence, at_position, its_size, its_count) {
    true_position[at_sequence] = at_position;
    true_size[at_sequence] = its_size;
    true_count[at_sequence] = its_count;
    true_owner[at_sequence] = owner;
    if
    :: its_count == 2 ->
        true_position[at_sequence + 1] = at_position + 1;
        true_owner[at_sequence + 1] = owner
    :: else
    fi
}

/* A claim of up to two units, committed or aborted, by the process in slot `me`. Uses the locals of
   PUBLISH_LOCALS and the label `dies`. */
#define PUBLISH_LOCALS byte p_sequence, p_position, p_size, p_count; bool p_noted
#define IS_BATCH (p_count == 2)

inline publish() {
    p_noted = false;
    do
    :: STEP(true -> p_sequence = tail_sequence; p_position = tail_position);
#ifndef LOST_NOTE_IS_KEPT
        if
        :: p_noted -> STEP(true -> note[me].sequence = NONE; p_noted = false)
        :: else
        fi;
#endif
#ifdef SWAP_BEFORE_NOTE
        skip;
#elif defined(NOTE_SEQUENCE_FIRST)
        STEP(true -> note[me].sequence = p_sequence);
        STEP(true -> note[me].position = p_position);
        STEP(true -> note[me].size = p_size; note[me].count = p_count; note[me].has_won = false);
#else
        STEP(true -> note[me].position = p_position; note[me].size = p_size;
                     note[me].count = p_count; note[me].has_won = false);
        STEP(true -> note[me].sequence = p_sequence);
#endif
        p_noted = true;
        /* The compare-and-swap. */
        STEP(true ->
            if
            :: tail_sequence == p_sequence && tail_position == p_position ->
                seal_claim(me, p_sequence, p_position, p_size, p_count);
                tail_sequence = tail_sequence + p_count;
                tail_position = tail_position + p_size;
                p_noted = false
            :: else
            fi);
        if
        :: !p_noted -> break
        :: else
        fi
    od;
#ifdef SWAP_BEFORE_NOTE
    STEP(true -> note[me].position = p_position; note[me].size = p_size;
                 note[me].count = p_count; note[me].has_won = false);
    STEP(true -> note[me].sequence = p_sequence);
#endif
#ifndef BATCH_ISNT_MARKED
    if
    :: IS_BATCH -> STEP(true -> note[me].has_won = true)
    :: else
    fi;
#endif
#ifdef NOTE_CLEARED_BEFORE_COMMIT
    STEP(true -> note[me].sequence = NONE);
#endif
    if
#ifdef ABORTS
    :: true -> /* abort: tombstones from the last to the first */
        if
        :: IS_BATCH -> STEP(true ->
            write_tombstone(p_sequence + 1, p_position + 1, 1))
        :: else
        fi;
        STEP(true -> write_tombstone(p_sequence, p_position, (IS_BATCH -> 1 : p_size)));
#endif
    :: true -> /* commit */
#ifdef STAMP_BEFORE_PAYLOAD
        STEP(true -> stamp[p_position] = p_sequence + 1;
                     size_word[p_position] = (IS_BATCH -> 1 : p_size));
        STEP(true -> payload[p_position] = me + 1;
            if :: p_size == 2 -> payload[p_position + 1] = me + 1 :: else fi);
#endif
        STEP(true -> payload[p_position] = me + 1;
                     size_word[p_position] = (IS_BATCH -> 1 : p_size);
                     if
                     :: p_size == 2 -> payload[p_position + 1] = me + 1
                     :: else
                     fi);
#ifdef FIRST_STAMP_FIRST
        STEP(true -> tombstone[p_position] = false; stamp[p_position] = p_sequence + 1;
                     is_committed_event[p_sequence] = true);
#endif
        if
        :: IS_BATCH -> STEP(true -> size_word[p_position + 1] = 1;
                                    stamp[p_position + 1] = p_sequence + 2)
        :: else
        fi;
        STEP(true -> stamp[p_position] = p_sequence + 1;
                     is_committed_event[p_sequence] = true;
                     if
                     :: IS_BATCH -> is_committed_event[p_sequence + 1] = true
                     :: else
                     fi);
    fi;
    STEP(true -> note[me].sequence = NONE);
    p_sequence = 0; p_position = 0; p_size = 0; p_count = 0
}

/* Steps of their own in the code; here one, since no reader believes anything before the stamp. */
inline write_tombstone(at_sequence, at_position, its_size) {
    FORBID(committed_event_is_overwritten, is_committed_event[at_sequence]);
    stamp[at_position] = at_sequence + 1;
    size_word[at_position] = its_size;
    tombstone[at_position] = true
}

/* All claim one event of one unit, but for the publisher in ODD_SLOT: it claims a batch of two, or an
   event of two units. Which slot that is matters, since slots are looked at in order. */
inline choose_claim(slot) {
#ifdef BATCHES
    p_size = (slot == ODD_SLOT -> 2 : 1);
    p_count = p_size
#else
    p_size = (slot == ODD_SLOT -> 2 : 1);
    p_count = 1
#endif
}

proctype publisher(byte me; bool is_mortal; byte claims) {
    PUBLISH_LOCALS;
    do
    :: atomic { claims > 0 -> claims--; choose_claim(me) }
        publish()
    :: else -> break
    od;
    STEP(true -> is_active[me] = false);
    atomic { at_work-- }
    goto ended;
dies:
    atomic { is_alive[me] = false; at_work-- }
ended:
    skip
}

/* Attaches: clears up after the dead, takes a slot, publishes. */
proctype newcomer(byte id; bool is_mortal) {
    PUBLISH_LOCALS;
    EXAMINE_LOCALS;
    LOAD_NOTE_LOCALS;
    byte me = NONE;
    byte r_slot, r_sequence, r_position, r_size, r_count;
#ifdef RESCUE_WITHOUT_LOCK
    STEP(true -> registry = id);
#else
    STEP(registry == NONE -> registry = id);
#endif
    r_slot = 0;
    do
    :: r_slot < SLOTS ->
        if
        :: atomic { is_active[r_slot] && !is_alive[r_slot] ->
            r_sequence = note[r_slot].sequence;
            r_position = note[r_slot].position }
            if
            :: atomic { r_sequence == NONE -> skip }
            :: else ->
                if
                :: atomic { tail_sequence <= r_sequence || stamp[r_position] == r_sequence + 1 ->
                    skip }
                :: else ->
                    examine(r_sequence, r_position);
                    if
                    :: atomic { x_verdict == VERDICT_DEAD ->
                        r_size = x_size;
                        r_count = x_count;
                        x_size = 0; x_count = 0; x_verdict = 0 }
#ifdef CLEARED_BEFORE_TOMBSTONES
                        STEP(true -> note[r_slot].sequence = NONE);
#endif
                        if
                        :: r_count == 2 ->
                            STEP(true -> write_tombstone(r_sequence + 1, r_position + 1, 1))
                        :: else
                        fi;
                        STEP(true -> FORBID(living_claim_is_overwritten,
                                            is_alive[true_owner[r_sequence]] &&
                                            note[true_owner[r_sequence]].sequence == r_sequence);
                                     write_tombstone(r_sequence, r_position,
                                                     (r_count == 2 -> 1 : r_size)))
                    :: else -> r_sequence = NONE; r_position = NONE
                    fi
                fi;
                if
                :: r_position != NONE -> STEP(true -> note[r_slot].sequence = NONE)
                :: else
                fi
            fi;
            if
            :: r_position != NONE -> STEP(true -> is_active[r_slot] = false)
            :: else
            fi
        :: else
        fi;
        atomic { r_slot++; r_sequence = 0; r_position = 0; r_size = 0; r_count = 0; x_verdict = 0 }
    :: else -> break
    od;
    /* The first free slot; its lock byte is taken before its owner is written. */
    STEP(true ->
        r_slot = 0;
        do
        :: r_slot < SLOTS && is_active[r_slot] -> r_slot++
        :: else -> break
        od;
        if
        :: r_slot < SLOTS -> me = r_slot; is_alive[me] = true; is_active[me] = true
        :: else
        fi;
        r_slot = 0);
    STEP(true -> registry = NONE);
    if
    :: me != NONE ->
        atomic { choose_claim(me) }
        publish();
        STEP(true -> is_active[me] = false)
    :: else
    fi;
    atomic { at_work--; goto ended }
dies:
    atomic {
        if
        :: registry == id -> registry = NONE
        :: else
        fi;
        if
        :: me != NONE -> is_alive[me] = false
        :: else
        fi;
        at_work--
    }
ended:
    skip
}

/* --- reading */

/* Any reader at any place where a claim began, or at the tail. One look is enough: a reader changes
   nothing that others see, and what it believes of one place is asserted against the truth, so all
   readers agree, and whoever walks from place to place comes to the tail. */
proctype reader() {
    EXAMINE_LOCALS;
    LOAD_NOTE_LOCALS;
    byte sequence, position;
    bool is_quiet;
#ifdef READS_LAST
    at_work == 0;
#endif
    atomic {
        is_quiet = (at_work == 0);
        do
        :: sequence < tail_sequence -> sequence = sequence + true_count[sequence]
        :: true -> break
        od;
        position = (sequence < tail_sequence -> true_position[sequence] : tail_position);
        if
        :: stamp[position] == sequence + 1 ->
            FORBID(event_is_delivered_twice, sequence >= tail_sequence);
            if
            :: tombstone[position] ->
                FORBID(event_is_lost, is_committed_event[sequence])
            :: else ->
                FORBID(event_is_half_written,
                       payload[position] != true_owner[sequence] + 1 ||
                       (size_word[position] == 2 &&
                        payload[position + 1] != true_owner[sequence] + 1))
            fi;
            FORBID(half_a_batch, true_count[sequence] == 2 && stamp[position + 1] != sequence + 2);
            FORBID(readers_disagree,
                   true_size[sequence] != size_word[position] +
                       (true_count[sequence] == 2 -> size_word[position + 1] : 0));
            goto ended
        :: else
        fi
    }
    examine(sequence, position);
    atomic {
        if
        :: x_verdict == VERDICT_DEAD ->
            FORBID(readers_disagree, sequence >= tail_sequence);
            FORBID(event_is_lost, is_committed_event[sequence]);
            FORBID(living_publisher_is_passed,
                   is_alive[true_owner[sequence]] &&
                   note[true_owner[sequence]].sequence == sequence);
            FORBID(readers_disagree,
                   true_size[sequence] != x_size || true_count[sequence] != x_count)
        :: else ->
            FORBID(sound_ring_looks_corrupt, x_verdict == VERDICT_CORRUPT);
            FORBID(reader_is_stuck, is_quiet && sequence != tail_sequence)
        fi;
        x_verdict = 0; x_size = 0; x_count = 0
    }
ended:
    skip
}

init {
    atomic {
        deaths = 2;
        is_active[0] = true;
        is_alive[0] = true;
        at_work = 3;
        run publisher(0, true, 1);
#if defined(PAIR)
        at_work = 2;
        is_active[1] = true;
        is_alive[1] = true;
        run publisher(1, true, 1);
#elif defined(LOSERS)
        is_active[1] = true;
        is_alive[1] = true;
        run publisher(1, false, 2);
        run newcomer(10, false);
#elif defined(LOOKS)
        is_active[1] = true;
        is_alive[1] = true;
        is_active[2] = true;
        is_alive[2] = true;
        run publisher(1, true, 1);
        run publisher(2, false, 1);
#elif defined(RESCUE)
        is_active[1] = true;
        is_alive[1] = true;
        run publisher(1, true, 1);
        run newcomer(10, false);
#elif defined(RESCUERS)
        run newcomer(10, true);
        run newcomer(11, false);
#elif defined(PASSING)
        at_work = 2;
        run newcomer(10, false);
#endif
        run reader()
    }
}
