/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The release of LXC whose interface this is. */
#ifndef LXC_VERSION_H
#define LXC_VERSION_H

#define LXC_DEVEL 0
#define LXC_VERSION_MAJOR 5
#define LXC_VERSION_MINOR 0
#define LXC_VERSION_MICRO 2
#define LXC_VERSION "5.0.2"
#define LXC_VERSION_ABI "1.7.0"

#endif
