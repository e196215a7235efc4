// No fault here.
#pragma once
