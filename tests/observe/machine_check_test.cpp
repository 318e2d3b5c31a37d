#include <tailrace/observe/machine_check.hpp>

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <stdlib.h>
#include <string>

namespace machine_check_test {

using namespace tailrace::observe;

namespace {

namespace fs = std::filesystem;

// A machine's configuration, below a directory of its own.
class Machine {
public:
    Machine() { REQUIRE(::mkdtemp(root_.data()) != nullptr); }
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;
    ~Machine() {
        std::error_code ignored;
        fs::remove_all(root_, ignored);
    }
    void write(const std::string& path, const std::string& text) {
        fs::create_directories(fs::path(root_ + path).parent_path());
        std::ofstream(root_ + path) << text;
    }
    void run_logind() { fs::create_directories(root_ + "/run/systemd/users"); }
    [[nodiscard]] bool removes_ipc() const { return tailrace::observe::removes_ipc(root_); }

private:
    std::string root_ = fs::temp_directory_path().string() + "/tailrace-test-XXXXXX";
};

}  // namespace

TEST_CASE("machine check: logind deletes rings at a logout unless it is told not to.") {
    Machine machine;
    CHECK_FALSE(machine.removes_ipc());  // no logind
    machine.run_logind();
    CHECK(machine.removes_ipc());
    machine.write("/etc/systemd/logind.conf", "[Login]\n#RemoveIPC=no\n");
    CHECK(machine.removes_ipc());
    machine.write("/etc/systemd/logind.conf", "[Login]\n RemoveIPC = no \n");
    CHECK_FALSE(machine.removes_ipc());
    machine.write("/usr/lib/systemd/logind.conf.d/10-vendor.conf", "[Login]\nRemoveIPC=yes\n");
    CHECK(machine.removes_ipc());
    machine.write("/etc/systemd/logind.conf.d/20-ours.conf", "[Login]\nRemoveIPC=0\n");
    CHECK_FALSE(machine.removes_ipc());
    machine.write("/etc/systemd/logind.conf.d/10-vendor.conf", "[Login]\nRemoveIPC=false\n");
    CHECK_FALSE(machine.removes_ipc());
}

}  // namespace machine_check_test
