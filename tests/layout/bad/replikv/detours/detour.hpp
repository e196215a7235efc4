// Fault: no such room.
#pragma once
