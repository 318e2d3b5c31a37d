#!/usr/bin/env bash
# The main job, as separate processes that a person could have typed: two publishers, a journal
# writer, a fast and a slow subscriber and an observer on one stream; a publisher and the journal
# writer are killed in the middle; the journal is replayed and compared, event by event, with what
# was seen live.
#
#     tools/demo/run.sh BINARY
#
# Needs no root. Everything is made in directories of its own and removed at the end. Ends with a
# verdict that is computed from the transcripts; exit code 1 if anything differs.
set -euo pipefail

tailrace=$(realpath "${1:?usage: tools/demo/run.sh BINARY}")
[[ -x $tailrace ]] || {
    printf 'demo: %s is not a program; ./dev build makes it\n' "$1" >&2
    exit 2
}
lines=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../../LICENSE")

started=$SECONDS
work=$(mktemp -d "${TMPDIR:-/tmp}/tailrace-demo.XXXXXX")
shm=/dev/shm
[[ -d $shm && -w $shm ]] || shm=$work
export TAILRACE_DIR=$shm/${work##*/}
export TAILRACE_JOURNAL_DIR=$work/journal
PATH=$(dirname "$tailrace"):$PATH
problems=0

clean_up() {
    local pid
    for pid in $(jobs -p); do kill -9 "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work" "$TAILRACE_DIR"
}
trap clean_up EXIT

title() { printf '\n== %s\n' "$*"; }

# Shows a command as it would be typed, and runs it.
run() {
    printf '$ %s\n' "$*"
    "$@"
}

# background FILE COMMAND...: the same in the background, its data in a file; its pid: $started_pid.
background() {
    local file=$1
    shift
    printf '$ %s > %s &\n' "$*" "${file##*/}"
    "$@" >"$file" 2>"$file.err" &
    started_pid=$!
}

problem() {
    printf 'PROBLEM: %s\n' "$*"
    problems=$((problems + 1))
}

# until_true WHAT COMMAND...: waits until the command succeeds. The minute ends what hangs; it is no
# measure of the machine.
until_true() {
    local deadline=$((SECONDS + 60)) what=$1
    shift
    until "$@"; do
        if ((SECONDS > deadline)); then
            problem "$what did not happen in time"
            return 0
        fi
        sleep 0.05
    done
}

# The number behind a key of a JSON document on stdin.
json_number() { sed -n "s/.*\"$1\":\([0-9][0-9]*\).*/\1/p"; }

reader_attached() { "$tailrace" lag demo --reader "$1" --json 2>/dev/null | grep -q '"seq"'; }
journal_runs() { "$tailrace" inspect demo --json | grep -q '"state":"running"'; }
end_sequence() { "$tailrace" inspect demo --json | json_number end_seq; }
published_more_than() { (($(end_sequence) > $1)); }
all_caught_up() { "$tailrace" lag demo --fail-above 0ev >/dev/null 2>&1; }
last_sequence_is() { [[ $(tail -n 1 "$1" | cut -d ' ' -f 1) == "$2" ]]; }

# finish NAME PID EXPECTED: waits for it and looks at its exit code.
finish() {
    local code=0
    wait "$2" 2>/dev/null || code=$?
    ((code == $3)) ||
        problem "$1 ended with exit code $code, not $3: $(cat "$work/$1.err" 2>/dev/null)"
}

same() {
    if cmp -s "$2" "$3"; then
        printf '  same       %s\n' "$1"
    else
        problem "$1 differ: $(diff "$2" "$3" | head -n 3 | tr '\n' ' ')"
    fi
}

# check_lines TYPE: the events of that type are the lines of the file, over and over.
check_lines() {
    local count
    "$tailrace" replay demo --speed max --type "$1" --format raw -q >"$work/lines.$1"
    count=$(wc -l <"$work/lines.$1")
    ((count > 0)) || problem "no line of type $1 was published"
    awk -v count="$count" '{ line[NR] = $0 }
        END { for (i = 0; i < count; i++) print line[i % NR + 1] }' "$lines" >"$work/expected"
    same "$count events of type $1 and the lines of the file" "$work/lines.$1" "$work/expected"
}

title "this machine"
run tailrace version
run tailrace doctor || problem "tailrace doctor found a failure"
printf '$ export TAILRACE_DIR=%s TAILRACE_JOURNAL_DIR=%s\n' "$TAILRACE_DIR" "$TAILRACE_JOURNAL_DIR"

title "a stream, its journal writer, three readers"
run tailrace create demo --journal --capacity 64MiB
background "$work/record" tailrace record demo
record=$started_pid
background "$work/fast" tailrace tail demo --from start --policy gate --name fast --format digest
fast=$started_pid
background "$work/slow" tailrace tail demo --from start --policy gate --name slow --rate 4500/s \
    --format digest
slow=$started_pid
background "$work/observer" tailrace tail demo --from start --format digest
observer=$started_pid
until_true "the fast reader's start" reader_attached fast
until_true "the slow reader's start" reader_attached slow
until_true "the journal writer's start" journal_runs

title "two publishers: this machine's counters from /proc, and the lines of a file"
background "$work/sample" tailrace sample demo --rate 4k/s --json
sample=$started_pid
background "$work/pub" tailrace pub demo --file "$lines" --repeat --rate 2k/s --type 100
pub=$started_pid
until_true "18,000 events" published_more_than 18000
run tailrace lag demo

title "SIGKILL on the second publisher, in the middle; then it is started again"
run kill -9 "$pub"
wait "$pub" 2>/dev/null || true
background "$work/pub2" tailrace pub demo --file "$lines" --repeat --rate 2k/s --type 101 --json
pub=$started_pid
until_true "30,000 events" published_more_than 30000

title "SIGKILL on the journal writer, in the middle; a successor goes on where it stopped"
run kill -9 "$record"
wait "$record" 2>/dev/null || true
until_true "36,000 events" published_more_than 36000
run tailrace lag demo
background "$work/record2" tailrace record demo
record=$started_pid
until_true "the successor's start" journal_runs
until_true "60,000 events" published_more_than 60000

title "the publishers stop; the slow reader is behind, and catches up"
run kill "$sample" "$pub"
finish sample "$sample" 0
finish pub2 "$pub" 0
cat "$work/sample" "$work/pub2"
run tailrace lag demo
# Every row: the journal's last flush may still be under way when the slow reader is there.
until_true "everybody's catching up" all_caught_up
run tailrace lag demo --fail-above 0ev || problem "a reader is still behind"
end=$(end_sequence)
until_true "the observer's last event" last_sequence_is "$work/observer" $((end - 1))
run tailrace inspect demo
rescued=$("$tailrace" inspect demo --json | json_number rescued_events)
run kill "$fast" "$slow" "$observer" "$record"
finish fast "$fast" 0
finish slow "$slow" 0
finish observer "$observer" 0
finish record2 "$record" 0
cat "$work/record2.err"

title "the journal: every byte verified, everything replayed"
run tailrace verify demo || problem "the journal is damaged"
printf '$ tailrace replay demo --speed max --format digest > replay\n'
"$tailrace" replay demo --speed max --format digest >"$work/replay" || problem "the replay failed"
run tailrace create again --capacity 64MiB -q >/dev/null
run tailrace replay demo --into again --speed 10x
"$tailrace" tail again --exit-at-end --format digest >"$work/again" ||
    problem "reading 'again' failed"

if tailrace bench pingpong --help >/dev/null 2>&1; then
    title "round trip between two processes, beside this machine's own floor"
    run tailrace bench pingpong --size 32 -n 200000 || problem "the benchmark failed"
fi

title "verdict"
published=$((end - rescued))
received=$(wc -l <"$work/fast")
replayed=$(wc -l <"$work/replay")
same "what the fast reader and the replay saw" "$work/fast" "$work/replay"
same "what the fast and the slow reader saw" "$work/fast" "$work/slow"
same "what the fast reader and the observer saw" "$work/fast" "$work/observer"
cut -d ' ' -f 2- "$work/replay" >"$work/replay.content"
cut -d ' ' -f 2- "$work/again" >"$work/again.content"
same "the journal and the stream it was replayed into" "$work/replay.content" "$work/again.content"
check_lines 100
check_lines 101
# What the publishers that ended by themselves say they published is what arrived.
sampled=$(json_number events <"$work/sample")
sent_again=$(json_number events <"$work/pub2")
arrived=$(awk '$2 >= 257 && $2 <= 260' "$work/fast" | wc -l)
((arrived == sampled)) || problem "$sampled samples were published, $arrived received"
arrived=$(awk '$2 == 101' "$work/fast" | wc -l)
((arrived == sent_again)) || problem "$sent_again lines were published again, $arrived received"
((received == published)) || problem "$published were published, $received received"
((replayed == published)) || problem "$published were published, $replayed replayed"
printf '\n  published  %s   (sequences [0, %s), %s tombstones of killed publishers)\n' \
    "$published" "$end" "$rescued"
printf '  received   %s\n  replayed   %s\n' "$received" "$replayed"
printf '  lost: %s\n' $((published - (received < replayed ? received : replayed)))
printf '  took %s s\n' $((SECONDS - started))
if ((problems != 0)); then
    printf '\nNOT PASSED: %s problems, see above\n' "$problems"
    exit 1
fi
printf '\nPASSED\n'
