# Runs each benchmark of PROGRAM briefly, at the first (that is: the smallest) size it lists.
cmake_minimum_required(VERSION 3.21...3.28)

execute_process(COMMAND "${PROGRAM}" --benchmark_list_tests
  OUTPUT_VARIABLE list OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
string(REPLACE "\n" ";" names "${list}")

set(seen)
set(chosen)
foreach(name IN LISTS names)
  string(REGEX REPLACE "/.*" "" family "${name}")
  if(NOT family IN_LIST seen)
    list(APPEND seen "${family}")
    string(REGEX REPLACE "([][+.*()^$?|\\])" "\\\\\\1" name "${name}")
    list(APPEND chosen "${name}")
  endif()
endforeach()
list(JOIN chosen "|" chosen)

execute_process(COMMAND "${PROGRAM}" "--benchmark_filter=^(${chosen})$" --benchmark_min_time=0.001
  COMMAND_ERROR_IS_FATAL ANY)
