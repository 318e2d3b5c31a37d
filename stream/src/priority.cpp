#include <tailrace/stream/priority.hpp>

#include <sched.h>
#include <sys/resource.h>

#include <cerrno>

namespace tailrace::stream {

namespace {

constexpr int kMostFifo = 99;
constexpr int kMostNice = -20;
constexpr int kLeastNice = 19;
// RLIMIT_NICE counts 20 - nice.
constexpr int kNiceLimitBase = 20;

int policy_of(int thread_id) noexcept {
    const int policy = ::sched_getscheduler(thread_id);
    return policy < 0 ? policy : policy & ~SCHED_RESET_ON_FORK;
}

std::string limit_text(__rlimit_resource resource, const char* name) {
    rlimit limit{};
    if (::getrlimit(resource, &limit) != 0) return name;
    return name + std::string(" is ") +
           (limit.rlim_cur == RLIM_INFINITY ? "unlimited" : std::to_string(limit.rlim_cur));
}

// What would allow it: the limit of a unit or of a login, or the capability for the program.
Error refused(int refusal, const Priority& wanted) {
    const bool is_fifo = wanted.kind == PriorityKind::fifo;
    const std::string need =
        is_fifo ? "LimitRTPRIO=" + std::to_string(wanted.level) + " (and no RestrictRealtime=yes)"
                : "LimitNICE=" + std::to_string(kNiceLimitBase - wanted.level);
    Error error =
        os_error(refusal,
                 "priority " + priority_text(wanted) + " is refused: " +
                     (is_fifo ? limit_text(RLIMIT_RTPRIO, "RLIMIT_RTPRIO")
                              : limit_text(RLIMIT_NICE, "RLIMIT_NICE")) +
                     ", and CAP_SYS_NICE isn't there",
                 "sudo setcap cap_sys_nice+ep $(command -v tailrace); in a systemd unit " + need);
    if (refusal == EPERM || refusal == EACCES) error.code = ErrorCode::no_permission;
    return error;
}

Error not_a_level(const Priority& wanted) {
    return make_error(ErrorCode::invalid_argument,
                      "there is no priority " + priority_text(wanted),
                      "nice goes from -20 (most) to 19, fifo from 1 to 99 (most)");
}

}  // namespace

Result<void> take_priority(const Priority& wanted) {
    if (wanted.kind == PriorityKind::normal) return {};
    if (wanted.kind == PriorityKind::nice) {
        if (wanted.level < kMostNice || wanted.level > kLeastNice) return not_a_level(wanted);
        const int before = ::getpriority(PRIO_PROCESS, 0);
        if (::setpriority(PRIO_PROCESS, 0, wanted.level) != 0) return refused(errno, wanted);
        // The nice value counts for nothing in real time.
        const sched_param ordinary{};
        if (policy_of(0) != SCHED_OTHER && ::sched_setscheduler(0, SCHED_OTHER, &ordinary) != 0) {
            const int refusal = errno;
            (void)::setpriority(PRIO_PROCESS, 0, before);
            return refused(refusal, wanted);
        }
        return {};
    }
    if (wanted.level < 1 || wanted.level > kMostFifo) return not_a_level(wanted);
    sched_param level{};
    level.sched_priority = wanted.level;
    if (::sched_setscheduler(0, SCHED_FIFO, &level) != 0) return refused(errno, wanted);
    return {};
}

std::string priority_in_use(int thread_id) {
    const int policy = policy_of(thread_id);
    if (policy < 0) return {};
    sched_param level{};
    if (policy == SCHED_FIFO || policy == SCHED_RR) {
        if (::sched_getparam(thread_id, &level) != 0) return {};
        return (policy == SCHED_FIFO ? "fifo=" : "rr=") + std::to_string(level.sched_priority);
    }
    if (policy == SCHED_BATCH) return "batch";
    if (policy == SCHED_IDLE) return "idle";
    if (policy != SCHED_OTHER) return "deadline";
    errno = 0;
    const int nice = ::getpriority(PRIO_PROCESS, static_cast<id_t>(thread_id));
    if (nice == -1 && errno != 0) return {};
    return nice == 0 ? "normal" : "nice=" + std::to_string(nice);
}

bool is_real_time() noexcept {
    const int policy = policy_of(0);
    return policy >= 0 && policy != SCHED_OTHER && policy != SCHED_BATCH && policy != SCHED_IDLE;
}

std::string priority_text(const Priority& priority) {
    switch (priority.kind) {
        case PriorityKind::normal:
            break;
        case PriorityKind::nice:
            return "nice=" + std::to_string(priority.level);
        case PriorityKind::fifo:
            return "fifo=" + std::to_string(priority.level);
    }
    return "normal";
}

}  // namespace tailrace::stream
