#include <tailrace/base/shortage.hpp>

#include <cerrno>
#include <cstring>

namespace tailrace {

Shortage shortage_of(int os_errno, const std::string& place) {
    switch (os_errno) {
        case ENOSPC:
            return {"the disk has no room left", "free some: df " + place + " shows what is left"};
        case EDQUOT:
            return {"the quota leaves no room", "quota -s shows it; so does df " + place};
        case EFBIG:
            return {"the limit on the size of files doesn't allow it",
                    "ulimit -f unlimited, in a service LimitFSIZE=infinity"};
        case EMFILE:
            return {"this process has no descriptor left",
                    "ulimit -n 65536, in a service LimitNOFILE=65536"};
        case ENFILE:
            return {"this machine has no descriptor left", "sysctl fs.file-max shows the limit"};
        case ENOMEM:
            return {"no memory is left", "free -m shows it"};
        case EPERM:
        case EACCES:
        case ENOSYS:
        case EOPNOTSUPP:
            return {"the system refuses it",
                    "ls -ld " + place + "; in a container its seccomp filter: tailrace doctor"};
        case EROFS:
            return {"it may only be read there",
                    "findmnt -T " + place + "; in a service ReadWritePaths=" + place};
        case ENOENT:
        case ENOTDIR:
            return {"the directory is gone", "findmnt -T " + place + ", ls -ld " + place};
        default:
            return {"the file system refuses it", "dmesg may say more; df " + place};
    }
}

std::string errno_text(int os_errno) {
    std::string text =
        ::strerrordesc_np(os_errno) != nullptr ? ::strerrordesc_np(os_errno) : "error";
    if (const char* name = ::strerrorname_np(os_errno); name != nullptr)
        text.append(" (").append(name).append(")");
    return text;
}

}  // namespace tailrace
