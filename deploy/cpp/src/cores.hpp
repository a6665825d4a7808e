#pragma once

#include <filesystem>

namespace picodet::detail {

// The processor cores that this process may use, at least 1: by its affinity and the quotas of its control groups.
// root: of the file system; tests have one of their own.
int allowed_cores(const std::filesystem::path& root = "/");

}  // namespace picodet::detail
