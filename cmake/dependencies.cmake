# Everything that is not ours: Debian's packages, and LibTorch from PyPI's wheel (scripts/setup).
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(absl REQUIRED)
include(${CMAKE_CURRENT_LIST_DIR}/abseil.cmake)
find_package(Protobuf REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(spdlog REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(LibLZMA REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(GTest REQUIRED)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
pkg_check_modules(GRPCPP REQUIRED IMPORTED_TARGET grpc++)
find_library(PROMETHEUS_CORE prometheus-cpp-core REQUIRED)
find_library(PROMETHEUS_PULL prometheus-cpp-pull REQUIRED)
find_library(GRPCPP_REFLECTION grpc++_reflection REQUIRED)
find_package(benchmark QUIET)

# LibTorch, without its CMake package: that one drags in the CUDA language, and puts include folders
# first whose bundled google/protobuf shadows Debian's. Included last (-idirafter) instead.
set(SOJOURN_DEPS "$ENV{SOJOURN_DEPS}" CACHE PATH "where scripts/setup keeps LibTorch")
if(NOT SOJOURN_DEPS)
  set(SOJOURN_DEPS "$ENV{HOME}/.cache/sojourn")
endif()
set(LIBTORCH ${SOJOURN_DEPS}/libtorch-2.11.0/torch)
if(NOT EXISTS ${LIBTORCH}/lib/libtorch_cpu.so)
  message(FATAL_ERROR "LibTorch is not at ${LIBTORCH}: run scripts/setup first")
endif()
add_library(libtorch INTERFACE)
target_compile_options(libtorch INTERFACE
  -fopenmp  # without it at::parallel_for, which its headers define, is a plain loop in our own code
  "SHELL:-idirafter ${LIBTORCH}/include" "SHELL:-idirafter ${LIBTORCH}/include/torch/csrc/api/include")
# gRPC's flags define NOMINMAX; defined everywhere, one precompiled header serves with and without gRPC.
target_compile_definitions(libtorch INTERFACE NOMINMAX)
target_link_libraries(libtorch INTERFACE ${LIBTORCH}/lib/libtorch_cpu.so ${LIBTORCH}/lib/libc10.so
  ${LIBTORCH}/lib/libgomp.so.1)
target_link_options(libtorch INTERFACE
  -Wl,-rpath,${LIBTORCH}/lib -Wl,-rpath,$ORIGIN/../lib -Wl,-rpath-link,${LIBTORCH}/../nvidia/cu13/lib)

# NCCL is used where the CUDA toolkit is installed; its absence only leaves that transport out.
find_package(CUDAToolkit QUIET)
find_path(NCCL_INCLUDE nccl.h HINTS ${CUDAToolkit_INCLUDE_DIRS} /usr/local/cuda/include)
find_library(NCCL_LIBRARY nccl HINTS ${CUDAToolkit_LIBRARY_DIR} /usr/local/cuda/lib64)
