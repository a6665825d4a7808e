#include "cores.hpp"

#include <algorithm>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif

namespace picodet::detail {
namespace {

namespace fs = std::filesystem;

// Lowers `cores` to the quota of a control group, of version 2 or 1, if it has one.
void apply_quota(const fs::path& group, double& cores) {
  double quota = 0;
  double period = 0;
  if (std::ifstream both(group / "cpu.max"); both) {
    both >> quota >> period;
  } else {
    std::ifstream(group / "cpu.cfs_quota_us") >> quota;
    std::ifstream(group / "cpu.cfs_period_us") >> period;
  }
  if (quota > 0 && period > 0) cores = std::min(cores, quota / period);
}

}  // namespace

int allowed_cores(const fs::path& root) {
  double cores = std::thread::hardware_concurrency();
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) cores = CPU_COUNT(&set);
#endif
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // number:controllers:path
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    std::vector<std::string> mounts;
    if (controllers.empty()) mounts = {"", "unified"};
    if (("," + controllers + ",").find(",cpu,") != std::string::npos) mounts = {"cpu", controllers};
    for (const std::string& mount : mounts) {
      fs::path group = root / "sys/fs/cgroup" / mount;
      apply_quota(group, cores);
      // Inside a container the path may be that of the host, and only the top is there.
      for (const fs::path& part : fs::path(line.substr(second + 1)).relative_path()) apply_quota(group /= part, cores);
    }
  }
  return std::max(1, static_cast<int>(cores));
}

}  // namespace picodet::detail
