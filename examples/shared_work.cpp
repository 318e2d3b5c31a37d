// A member of a group: takes its share of the jobs of a stream, as many processes as are started.
// Before: tailrace create jobs; tailrace create jobs.dead
// Usage: shared_work COUNT (ends after so many; 0: never)
#include <tailrace/stream/group_member.hpp>

#include <cstdio>
#include <cstdlib>
#include <string_view>

using tailrace::stream::Delivery;
using tailrace::stream::GroupMember;
using tailrace::stream::GroupPoll;
using tailrace::stream::GroupState;
using tailrace::stream::Verdict;

namespace {

Verdict work(const Delivery& delivery) {
    const auto payload = delivery.event().payload();
    const std::string_view job(reinterpret_cast<const char*>(payload.data()), payload.size());
    // Somebody had it before, and may have done it: the receiver tells by stream and sequence.
    const char* const again = delivery.tries() > 1 ? ", again" : "";
    std::printf("%llu: %.*s%s\n",
                static_cast<unsigned long long>(delivery.event().sequence()),
                static_cast<int>(job.size()),
                job.data(),
                again);
    std::fflush(stdout);
    return job == "impossible" ? Verdict::again : Verdict::done;
}

}  // namespace

int main(int argc, char** argv) {
    const unsigned long long count = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 0;
    auto member = GroupMember::join("jobs", {.group = "mailer", .dead_letters = "jobs.dead"});
    if (!member) {
        std::fprintf(
            stderr, "%s\n  try: %s\n", member.error().message.c_str(), member.error().hint.c_str());
        return 1;
    }
    for (unsigned long long done = 0; count == 0 || done < count;) {
        const GroupPoll result = member->poll_until(work, 16, tailrace::bus::Deadline::in_ms(100));
        done += result.events;
        if (result.state == GroupState::lost) {
            std::fprintf(stderr,
                         "%llu events from %llu on are gone\n",
                         static_cast<unsigned long long>(member->last_lost().count),
                         static_cast<unsigned long long>(member->last_lost().first));
        }
        if (result.state >= GroupState::closed) return 1;
    }
    return 0;
}
