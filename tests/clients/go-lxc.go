// Copies the container NAME, and has as many goroutines as copies start, look into, attach to and stop one each, all at
// once, for some rounds: many NAME COUNT ROUNDS. Prints what the process has more of afterwards, or "unchanged".
package main

import (
	"fmt"
	"os"
	"runtime/pprof"
	"strconv"
	"sync"
	"syscall"
	"time"

	lxc "gopkg.in/lxc/go-lxc.v2"
)

func count(dir string) int {
	entries, err := os.ReadDir(dir)
	if err != nil {
		panic(err)
	}
	return len(entries)
}

// A child that nobody waited for.
func child() bool {
	var status syscall.WaitStatus
	_, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
	return err != syscall.ECHILD
}

func check(what string, err error) {
	if err != nil {
		fmt.Printf("%s: %v\n", what, err)
		os.Exit(1)
	}
}

// How many threads there are that Go has not made, less a constant: what Go counts has one without a thread, for calls
// from C. Go makes as many as calls into C wait at once and keeps most of them, so their number alone says nothing.
func foreignThreads() int {
	return count("/proc/self/task") - pprof.Lookup("threadcreate").Count()
}

// How many of those there are more than `before`. One of Go's that begins or ends meanwhile is counted on one side only,
// so this looks again.
func moreForeignThreads(before int) int {
	more := foreignThreads() - before
	for try := 0; more != 0 && try < 100; try++ {
		time.Sleep(20 * time.Millisecond)
		more = foreignThreads() - before
	}
	return more
}

func life(name string, round int) {
	c, err := lxc.NewContainer(name)
	check("new", err)
	defer c.Release()
	check("start "+name, c.Start())
	if !c.Wait(lxc.RUNNING, 30*time.Second) || c.InitPid() <= 1 {
		check("run "+name, fmt.Errorf("it does not run"))
	}
	code, err := c.RunCommandStatus([]string{"sh", "-c", "exit " + strconv.Itoa(round+3)}, lxc.DefaultAttachOptions)
	check("attach "+name, err)
	if code != round+3 {
		check("attach "+name, fmt.Errorf("its command ended with %d", code))
	}
	if c.ConfigItem("lxc.uts.name")[0] == "" {
		check("look into "+name, fmt.Errorf("it has no name"))
	}
	check("stop "+name, c.Stop())
}

func main() {
	number, _ := strconv.Atoi(os.Args[2])
	rounds, _ := strconv.Atoi(os.Args[3])
	// Go has made its first threads by then, and the library has done nothing yet.
	time.Sleep(200 * time.Millisecond)
	threads := foreignThreads()
	source, err := lxc.NewContainer(os.Args[1])
	check("new", err)
	names := make([]string, number)
	for i := range names {
		names[i] = fmt.Sprintf("%s-%d", os.Args[1], i)
		check("clone", source.Clone(names[i], lxc.CloneOptions{}))
	}
	descriptors := 0
	for round := 0; round < rounds; round++ {
		var all sync.WaitGroup
		for _, name := range names {
			all.Add(1)
			go func(name string) {
				defer all.Done()
				life(name, round)
			}(name)
		}
		all.Wait()
		// The first round makes what Go keeps: descriptors to wait with.
		if round == 0 {
			descriptors = count("/proc/self/fd")
		}
	}
	for _, name := range names {
		c, err := lxc.NewContainer(name)
		check("new", err)
		check("destroy", c.Destroy())
		c.Release()
	}
	more, foreign, left := count("/proc/self/fd")-descriptors, moreForeignThreads(threads), child()
	if more > 0 || foreign != 0 || left {
		fmt.Printf("more descriptors: %d; threads that are not Go's: %d; a child is left: %v\n", more, foreign, left)
		os.Exit(1)
	}
	fmt.Println("unchanged")
}
