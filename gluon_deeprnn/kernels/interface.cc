// The half of MXNet's interface for libraries that every library has to compile for itself; it ships in the wheel.
#include <src/lib_api.cc>
