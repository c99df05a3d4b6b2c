// SPDX-License-Identifier: GPL-2.0-only
/*
 * Block devices: what blkfront's resume relies on and a running guest does not give by
 * itself. It walks its requests without a lock, as all tasks are frozen when a guest is
 * saved: nothing may be dispatched meanwhile. And it may be resumed only once for each
 * connection: a second time it forgets the requests of the first and takes the disk for a
 * new one, which is a BUG.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "pvreconnect.h"

/* Requests on their way back to the block layer. */
struct kept {
	struct work_struct work;
	struct bio_list bios;
};

static struct workqueue_struct *wq;

static int find_disk(struct device *dev, void *found)
{
	if (!dev->type || !dev->type->name || strcmp(dev->type->name, "disk"))
		return 0;
	get_device(dev);
	*(struct gendisk **)found = dev_to_disk(dev);
	return 1;
}

/* With a reference, or NULL. */
static struct gendisk *get_disk_of(struct xenbus_device *xdev)
{
	struct gendisk *disk = NULL;

	device_for_each_child(&xdev->dev, &disk, find_disk);
	return disk;
}

static void put_disk_of(struct gendisk *disk)
{
	put_device(disk_to_dev(disk));
}

unsigned int pvr_disk_queues(struct xenbus_device *xdev)
{
	struct gendisk *disk = get_disk_of(xdev);
	unsigned int queues;

	if (!disk)
		return 0;
	queues = disk->queue->nr_hw_queues;
	put_disk_of(disk);
	return queues;
}

void pvr_disk_stop(struct pvr_link *link)
{
	struct xenbus_device *xdev = link->xdev;

	if (!pvr_is_disk(xdev))
		return;
	if (xdev->state == XenbusStateConnected)
		link->waiting = false;
	link->stopped = get_disk_of(xdev);
	if (link->stopped)
		blk_mq_quiesce_queue(link->stopped->queue);
}

/* blkfront has stopped its queues itself, until it is connected. */
void pvr_disk_go(struct pvr_link *link)
{
	if (!link->stopped)
		return;
	blk_mq_unquiesce_queue(link->stopped->queue);
	put_disk_of(link->stopped);
	link->stopped = NULL;
}

/* May wait for a back end, as any writer does. */
static void submit_kept(struct work_struct *work)
{
	struct kept *kept = container_of(work, struct kept, work);
	struct bio *bio;

	while ((bio = bio_list_pop(&kept->bios)))
		submit_bio_noacct(bio);
	kfree(kept);
	module_put(THIS_MODULE);
}

/* What blkfront does when it is connected, and only then. */
static bool took_up_work(struct request_queue *queue)
{
	struct blk_mq_hw_ctx *hctx;
	unsigned long i;

	queue_for_each_hw_ctx(queue, hctx, i)
		if (test_bit(BLK_MQ_S_STOPPED, &hctx->state))
			return false;
	return true;
}

/*
 * blkfront holds the requests that it took from the connection before. It lets go of them
 * when its back end says Connected: so it is told that, with its queue at rest, and hands
 * them to the block layer, which only collects them as long as the task has a bio_list.
 * Nothing is written to xenstore, as for xenbus the state is already that.
 */
int pvr_disk_take_back(struct pvr_link *link)
{
	struct xenbus_device *xdev = link->xdev;
	struct xenbus_driver *driver = to_xenbus_driver(xdev->dev.driver);
	struct bio_list lists[2];
	struct kept *kept;
	int err;

	if (!link->stopped || !driver->otherend_changed || !driver->read_otherend_details)
		return -EINVAL;
	kept = kmalloc(sizeof(*kept), GFP_NOIO);
	if (!kept)
		return -ENOMEM;
	/* It sets its limits by what the other end offers: the one to come has to be known. */
	kfree(xdev->otherend);
	xdev->otherend = NULL;
	err = driver->read_otherend_details(xdev);
	if (err) {
		kfree(kept);
		return err;
	}
	bio_list_init(&lists[0]);
	bio_list_init(&lists[1]);
	xdev->state = XenbusStateConnected;
	current->bio_list = lists;
	driver->otherend_changed(xdev, XenbusStateConnected);
	current->bio_list = NULL;
	link->waiting = false;
	link->broken = !took_up_work(link->stopped->queue);

	INIT_WORK(&kept->work, submit_kept);
	kept->bios = lists[0];
	/* Whoever unloads the module waits until they are with the block layer. */
	__module_get(THIS_MODULE);
	queue_work(wq, &kept->work);
	return link->broken ? -EIO : 0;
}

int pvr_disk_init(void)
{
	wq = alloc_workqueue(PVR_NAME "-submit", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	return wq ? 0 : -ENOMEM;
}

void pvr_disk_exit(void)
{
	destroy_workqueue(wq);
}
